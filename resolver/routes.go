package resolver

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// NextHop is where a static route or the smart host leads. As with Postfix, brackets say "this very
// host", and a name without them is a mail domain whose MX records are looked up:
//
//	mail.example            the MX hosts of mail.example, or without MX records its addresses
//	mail.example:2525       the same, on port 2525
//	[mail.example]          the addresses of mail.example
//	[mail.example]:2525
//	192.0.2.1, 192.0.2.1:25, [192.0.2.1], [192.0.2.1]:25
//	[2001:db8::1], [2001:db8::1]:25, [IPv6:2001:db8::1]:25
//
// A mail store that takes mail by LMTP is always a host, with or without brackets, or a Unix socket:
//
//	lmtp://store.example:24, lmtp://192.0.2.1:24, lmtp://[2001:db8::1]:24
//	lmtp:unix:/run/dovecot/lmtp
type NextHop struct {
	// Name is the host or domain in lower case as A-labels, "" when Addr is set.
	Name string
	Addr netip.Addr
	// Direct tells that Name is a host: its MX records do not matter.
	Direct bool
	// Port is 0 when none was given.
	Port uint16
	// LMTP tells that LMTP is spoken there (RFC 2033). Socket is the path of a Unix socket, and then Name is "".
	LMTP   bool
	Socket string
}

// ParseNextHop reads what String prints.
func ParseNextHop(s string) (h NextHop, err error) {
	if isLMTP(s) {
		h, err = parseLMTP(s)
	} else {
		err = h.parse(s)
	}
	if err != nil {
		return NextHop{}, fmt.Errorf("next hop %q: %w", s, err)
	}
	return h, nil
}

// parse reads a host or domain with or without brackets and port.
func (h *NextHop) parse(s string) error {
	host, port := s, ""
	if rest, ok := strings.CutPrefix(s, "["); ok {
		if host, port, ok = strings.Cut(rest, "]"); !ok {
			return errors.New("no closing bracket")
		}
		if port != "" && port[0] != ':' {
			return errors.New("only :port may follow the bracket")
		}
		h.Direct = true
	} else if strings.Count(s, ":") > 1 {
		return errors.New("an IPv6 address stands in brackets")
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		host, port = s[:i], s[i:]
	}
	if port != "" {
		n, err := strconv.ParseUint(port[1:], 10, 16)
		if err != nil || n == 0 {
			return errors.New("a port is a number from 1 to 65535")
		}
		h.Port = uint16(n)
	}
	return h.setHost(host)
}

func (h *NextHop) setHost(host string) error {
	if tag := "ipv6:"; h.Direct && len(host) > len(tag) && strings.EqualFold(host[:len(tag)], tag) {
		host = host[len(tag):]
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return errors.New("an address with a zone is not supported")
		}
		h.Addr, h.Direct = addr.Unmap(), true
		return nil
	}
	name, err := asciiName(host)
	h.Name = name
	return err
}

// String returns the next hop in its grammar.
func (h NextHop) String() string {
	if h.Socket != "" {
		return "lmtp:unix:" + h.Socket
	}
	s := h.Name
	if h.Addr.IsValid() {
		s = h.Addr.String()
	}
	if h.Direct {
		s = "[" + s + "]"
	}
	if h.Port != 0 {
		s += ":" + strconv.Itoa(int(h.Port))
	}
	if h.LMTP {
		s = "lmtp://" + s
	}
	return s
}

// routeTable holds the static routes. The pattern of one is, the earlier in this list the stronger:
//
//	example.net, [192.0.2.1]   this very domain or literal
//	.example.net               every domain below example.net; the longest such pattern
//	*                          every domain
//
// The smart host is like a pattern * that comes last.
type routeTable struct {
	exact, below map[string]NextHop
	any, smart   *NextHop
}

func newRouteTable(routes map[string]string, smartHost string) (*routeTable, error) {
	t := &routeTable{exact: make(map[string]NextHop), below: make(map[string]NextHop)}
	for pattern, to := range routes {
		hop, err := ParseNextHop(to)
		if err == nil {
			err = t.add(pattern, hop)
		}
		if err != nil {
			return nil, fmt.Errorf("resolver: route for %q: %w", pattern, err)
		}
	}
	if smartHost != "" {
		hop, err := ParseNextHop(smartHost)
		if err != nil {
			return nil, fmt.Errorf("resolver: smart host: %w", err)
		}
		t.smart = &hop
	}
	return t, nil
}

func (t *routeTable) add(pattern string, hop NextHop) error {
	if pattern == "*" {
		t.any = &hop
		return nil
	}
	if isLiteral(pattern) {
		addr, ok := parseLiteral(pattern)
		if !ok {
			return errors.New("not an address literal")
		}
		t.exact[literal(addr)] = hop
		return nil
	}
	into, name := t.exact, pattern
	if rest, ok := strings.CutPrefix(pattern, "."); ok {
		into, name = t.below, rest
	}
	name, err := asciiName(name)
	if err != nil {
		return err
	}
	if _, twice := into[name]; twice {
		return fmt.Errorf("there is another route for %q", name)
	}
	into[name] = hop
	return nil
}

// match returns the next hop for domain, and the pattern that led to it, "" for the smart host. ok
// is false when the domain is to be delivered by DNS.
func (t *routeTable) match(domain string) (hop NextHop, pattern string, ok bool) {
	if hop, ok = t.exact[domain]; ok {
		return hop, domain, true
	}
	if !isLiteral(domain) && len(t.below) > 0 {
		for rest := domain; ; {
			_, parent, more := strings.Cut(rest, ".")
			if !more {
				break
			}
			if hop, ok = t.below[parent]; ok {
				return hop, "." + parent, true
			}
			rest = parent
		}
	}
	switch {
	case t.any != nil:
		return *t.any, "*", true
	case t.smart != nil:
		return *t.smart, "", true
	}
	return NextHop{}, "", false
}

// asciiName returns a name as an operator wrote it in lower case as A-labels.
func asciiName(s string) (string, error) {
	s = strings.TrimSuffix(s, ".")
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			a, err := idna.Lookup.ToASCII(s)
			if err != nil {
				return "", err
			}
			s = a
			break
		}
	}
	s = lower(s)
	return s, checkName(s)
}
