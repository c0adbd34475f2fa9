package message

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const ipv6Tag = "[ipv6:"

// ParseDomain reads a domain name or an address literal in brackets (RFC 5321 4.1.2, 4.1.3) and
// returns the form that the rest of the program compares and keys by: lower case, A-labels,
// "[192.0.2.1]" or "[ipv6:2001:db8::1]". With wide it takes U-labels too. The errors wrap
// ErrBadAddress. A name in lower-case ASCII is returned as it is, without allocation.
//
// An underscore is let pass, since such names exist in the DNS and receive mail. A name whose last
// label is a number is refused: it would be an address without its brackets.
func ParseDomain(s string, wide bool) (string, error) {
	if s != "" && s[0] == '[' {
		ip, ok := ParseLiteral(s)
		if !ok {
			return "", fmt.Errorf("%w: bad address literal", ErrBadAddress)
		}
		if ip.Is4() {
			return "[" + ip.String() + "]", nil
		}
		return ipv6Tag + ip.String() + "]", nil
	}
	if wide && !isASCII(s) {
		// Bounded first: the work of IDNA mapping is the peer's to choose otherwise.
		if len(s) > 4*maxDomain {
			return "", fmt.Errorf("%w: domain too long", ErrBadAddress)
		}
		if !utf8.ValidString(s) { // IDNA would make a name of it, with U+FFFD
			return "", fmt.Errorf("%w: bad UTF-8 in the domain", ErrBadAddress)
		}
		ascii, err := idna.Lookup.ToASCII(s)
		if err != nil {
			return "", fmt.Errorf("%w: domain: %w", ErrBadAddress, err)
		}
		s = ascii
	}
	if err := checkName(s); err != nil {
		return "", err
	}
	return lowerASCII(s), nil
}

// ParseLiteral returns the address in an address literal, such as "[192.0.2.1]" or
// "[IPv6:2001:db8::1]"; ok is false for anything else.
func ParseLiteral(domain string) (ip netip.Addr, ok bool) {
	n := len(domain)
	if n < 3 || domain[0] != '[' || domain[n-1] != ']' {
		return netip.Addr{}, false
	}
	if n > len(ipv6Tag) && strings.EqualFold(domain[:len(ipv6Tag)], ipv6Tag) {
		ip, err := netip.ParseAddr(domain[len(ipv6Tag) : n-1])
		return ip, err == nil && ip.Is6() && ip.Zone() == ""
	}
	ip, err := netip.ParseAddr(domain[1 : n-1])
	return ip, err == nil && ip.Is4()
}

// checkName tells what is wrong with a domain name in ASCII.
func checkName(s string) error {
	if len(s) > maxDomain {
		return fmt.Errorf("%w: domain longer than %d octets", ErrBadAddress, maxDomain)
	}
	label, digits := 0, true // of the label we are in: its length; whether all are digits
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '.':
			if label == 0 || s[i-1] == '-' {
				return fmt.Errorf("%w: bad label in the domain", ErrBadAddress)
			}
			label, digits = 0, true
			continue
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
			digits = false
		case '0' <= c && c <= '9':
		case c == '-' && label > 0:
			digits = false
		default:
			return fmt.Errorf("%w: %q not allowed here in the domain", ErrBadAddress, c)
		}
		if label++; label > 63 {
			return fmt.Errorf("%w: label longer than 63 octets in the domain", ErrBadAddress)
		}
	}
	if label == 0 || s[len(s)-1] == '-' || digits {
		return fmt.Errorf("%w: bad last label in the domain", ErrBadAddress)
	}
	return nil
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
