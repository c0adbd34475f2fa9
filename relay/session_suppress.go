package relay

import (
	"fmt"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/suppress"
)

// suppressed is a recipient that was accepted although it gets no mail: it ends as the message becomes ours.
type suppressed struct {
	message.Recipient
	entry suppress.Entry
}

// checkSuppressed looks the recipient up on the tenant's list. A found one is either refused or ends when the
// message is accepted.
func (s *session) checkSuppressed(to message.Address) (e suppress.Entry, found bool, err error) {
	p := s.relay.policy.Load()
	if p.Suppression == nil {
		return e, false, nil
	}
	tenant, err := s.tenant()
	if err != nil {
		return e, false, err
	}
	e, found, err = p.Suppression.Lookup(tenant, to)
	if found && p.RefuseSuppressed {
		return e, false, reply(550, 5, 7, 1, "Recipient is on the suppression list: "+e.Reason)
	}
	return e, found, err
}

// tenant returns whose the mail of this client is.
func (s *session) tenant() (string, error) {
	c, err := s.credential()
	if err != nil {
		return "", err
	}
	if c != nil && c.Tenant != "" {
		return c.Tenant, nil
	}
	return s.intake.Tenant, nil
}

// distinctSuppressed returns the recipients without those that were named before.
func distinctSuppressed(all []suppressed) []suppressed {
	seen := make(map[string]struct{}, len(all))
	kept := all[:0]
	for _, to := range all {
		local := to.Address[:strings.LastIndexByte(to.Address, '@')] // only the domain is compared without case
		key := local + "@" + to.Domain
		if _, had := seen[key]; !had {
			seen[key] = struct{}{}
			kept = append(kept, to)
		}
	}
	return kept
}

// suppressedStatus is with what a suppressed recipient ends.
func suppressedStatus(e *suppress.Entry) message.Status {
	return localStatus(550, message.EnhancedCode{5, 7, 1}, suppressedText(e))
}

// suppressedText tells which entry it was, for people.
func suppressedText(e *suppress.Entry) string {
	whose := "the list for all tenants"
	if e.Tenant != "" {
		whose = "the list of tenant " + e.Tenant
	}
	text := fmt.Sprintf("%s is on %s since %s: %s", e.Target, whose, e.Since.Format(time.DateOnly), e.Reason)
	if e.Evidence.Event != "" {
		text += ", see " + e.Evidence.Event
	}
	return text
}
