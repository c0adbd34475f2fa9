package queue

import (
	"slices"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// Filter selects entries; all fields given must match. The zero Filter matches everything.
type Filter struct {
	Domain    string   // exact, lower case
	Domains   []string // any of these (a site's)
	Sender    string   // exact, or "@domain" for all of a domain, or "<>" for the null sender
	Recipient string   // exact, or "@domain"
	Tenant    string
	IDs       []message.ID
	Older     time.Duration // arrived longer ago than this
	Held      *bool
}

// spaces returns the key spaces that may hold matches.
func (f *Filter) spaces() []byte {
	switch {
	case f.Held == nil:
		return []byte{spaceHeld, spaceSchedule}
	case *f.Held:
		return []byte{spaceHeld}
	}
	return []byte{spaceSchedule}
}

// bounds returns the range of keys in a space that may match.
func (f *Filter) bounds(space byte) (lower, upper []byte) {
	if f.Domain == "" {
		return []byte{space}, []byte{space + 1}
	}
	prefix := append(append([]byte{space}, f.Domain...), 0)
	return prefix, prefixEnd(prefix)
}

// matchesPlace tells whether a group may match, from its key alone.
func (f *Filter) matchesPlace(n flowName, s slot) bool {
	return (f.Domain == "" || n.domain == f.Domain) &&
		(len(f.Domains) == 0 || slices.Contains(f.Domains, n.domain)) &&
		(f.Tenant == "" || n.tenant == f.Tenant) &&
		(len(f.IDs) == 0 || slices.Contains(f.IDs, s.id))
}

// needsRecord tells whether a key alone cannot decide.
func (f *Filter) needsRecord() bool { return f.Sender != "" || f.Recipient != "" || f.Older > 0 }

func (f *Filter) matchesEnvelope(e *message.Envelope, now time.Time) bool {
	if f.Older > 0 && now.Sub(e.ArrivedAt) < f.Older {
		return false
	}
	switch f.Sender {
	case "":
		return true
	case "<>":
		return e.Sender == ""
	}
	return matchesAddress(f.Sender, e.Sender)
}

// MatchesRecipient tells whether the filter selects this recipient of a group that it selects.
func (f *Filter) MatchesRecipient(r *message.Recipient) bool {
	return f.Recipient == "" || matchesAddress(f.Recipient, r.Address) ||
		f.Recipient[0] == '@' && f.Recipient[1:] == r.Domain
}

// matchesAddress compares without regard to case: an operator looks for a person, not for a
// spelling.
func matchesAddress(pattern, address string) bool {
	if strings.HasPrefix(pattern, "@") {
		return len(address) >= len(pattern) && strings.EqualFold(address[len(address)-len(pattern):], pattern)
	}
	return strings.EqualFold(pattern, address)
}
