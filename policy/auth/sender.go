package auth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

// senders is a credential's list made for look-ups.
type senders struct {
	any bool
	// set has addresses and domains as canonical gives them, and ".suffix".
	set map[string]struct{}
}

func parseSenders(list []string) (s senders, err error) {
	s.set = make(map[string]struct{}, len(list))
	for _, entry := range list {
		switch {
		case entry == "*":
			s.any = true
			continue
		case strings.Contains(entry, "@"):
			var a message.Address
			if a, err = message.ParseAddress(entry, true); err == nil {
				s.set[canonical(a)] = struct{}{}
			}
		default:
			bare, below := strings.CutPrefix(entry, ".")
			if bare, err = message.ParseDomain(bare, true); err == nil {
				if below {
					bare = "." + bare
				}
				s.set[bare] = struct{}{}
			}
		}
		if err != nil {
			return senders{}, fmt.Errorf("sender %q: want an address, a domain, .domain or *: %w", message.CleanLine(entry, maxNamed), err)
		}
	}
	return s, nil
}

// canonical is the form that addresses are compared in. Mailboxes that differ in case alone are
// one: hosts where they are two do not exist in practice.
func canonical(a message.Address) string {
	local := a.Local
	if n := len(local); n >= 2 && local[0] == '"' && !strings.ContainsRune(local, '\\') {
		local = local[1 : n-1]
	}
	return strings.ToLower(local) + "@" + a.Domain
}

func (s *senders) allow(a message.Address) bool {
	if s.any {
		return true
	}
	if _, ok := s.set[canonical(a)]; ok {
		return true
	}
	if _, ok := s.set[a.Domain]; ok {
		return true
	}
	for d := a.Domain; ; {
		dot := strings.IndexByte(d, '.')
		if dot < 0 {
			return false
		}
		if _, ok := s.set[d[dot:]]; ok {
			return true
		}
		d = d[dot+1:]
	}
}

// mayMail tells whether MAIL FROM is allowed. The null sender is, for what programs answer: such
// mail still needs a From of its own.
func (s *senders) mayMail(mailFrom string) error {
	if mailFrom == "" || s.any {
		return nil
	}
	a, err := message.ParseAddress(mailFrom, true)
	if err != nil || !s.allow(a) {
		return notAllowed("may not be used as sender by this login", mailFrom)
	}
	return nil
}

// mayFrom tells whether the addresses of From are allowed: each, or somebody could hide behind one.
func (s *senders) mayFrom(from []message.Address) error {
	if s.any {
		return nil
	}
	if len(from) == 0 {
		return notAllowed("The message has no From address, which this login needs", "")
	}
	bad := slices.IndexFunc(from, func(a message.Address) bool { return !s.allow(a) })
	if bad >= 0 {
		return notAllowed("may not be used in From by this login", from[bad].String())
	}
	return nil
}
