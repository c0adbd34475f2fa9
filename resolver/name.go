package resolver

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

var errNotName = errors.New("not a name in lower case")

// checkName tells whether s can be the name of a mail domain or host, as message.ParseDomain has
// it: letters in lower case, digits, hyphens and underscores in labels, no final dot, the last
// label not a number. Everything else is refused before it reaches a server, a log or a file.
func checkName(s string) error {
	name, err := message.ParseDomain(s, false)
	if err == nil && (name != s || isLiteral(name)) {
		return errNotName
	}
	return err
}

// isLiteral tells whether domain is meant as an address literal.
func isLiteral(domain string) bool { return strings.HasPrefix(domain, "[") }

// parseLiteral reads an address literal of RFC 5321 4.1.3. An IPv4 address dressed as an IPv6 one is
// returned as what it is, so that no rule about the one is missed by the other.
func parseLiteral(s string) (netip.Addr, bool) {
	addr, ok := message.ParseLiteral(s)
	return addr.Unmap(), ok
}

// literal returns addr as an address literal, in the form of message.ParseDomain.
func literal(addr netip.Addr) string {
	if addr.Is4() {
		return "[" + addr.String() + "]"
	}
	return "[ipv6:" + addr.String() + "]"
}

// lower returns s in lower case, and s itself when it is so already.
func lower(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}
