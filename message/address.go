package message

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrBadAddress is wrapped by every error of ParseAddress and ParseDomain.
var ErrBadAddress = errors.New("message: bad address")

// The size limits of RFC 5321 4.5.3.1, in octets. A path is at most 256 with its angle brackets. The 64 of a local
// part is not among them: return paths that carry a recipient or a signature are longer, receivers take them,
// and 4.5.3.1 asks for no limit where there can be none.
const (
	maxDomain  = 255
	maxAddress = 254
)

// Address is a Mailbox of RFC 5321 4.1.2.
type Address struct {
	// Local is the local part as it was written, with its quotes.
	Local string
	// Domain is in lower case and as A-labels, or an address literal in brackets.
	Domain string
}

// String returns the address as it stands in a path.
func (a Address) String() string { return a.Local + "@" + a.Domain }

// ParseAddress reads a Mailbox without angle brackets: a dot-string or quoted string, "@", and a
// domain or address literal. With wide, which stands for SMTPUTF8, it takes the characters that
// RFC 6531 3.3 adds. A plain ASCII address in lower case is read without allocation: the parts
// point into s.
//
// Source routes, a missing domain and trailing dots are refused; so is every control character,
// quoted or not, since no mailbox has one and header, log and spool lines end at them.
func ParseAddress(s string, wide bool) (Address, error) {
	end, err := localEnd(s, wide)
	if err != nil {
		return Address{}, err
	}
	if end == len(s) || s[end] != '@' {
		return Address{}, fmt.Errorf("%w: no domain", ErrBadAddress)
	}
	domain, err := ParseDomain(s[end+1:], wide)
	if err != nil {
		return Address{}, err
	}
	// A U-label may be shorter than its A-label; what will stand on the wire has to fit.
	if len(s) > maxAddress || end+1+len(domain) > maxAddress {
		return Address{}, fmt.Errorf("%w: longer than %d octets", ErrBadAddress, maxAddress)
	}
	return Address{Local: s[:end], Domain: domain}, nil
}

// localEnd returns the length of the local part that s starts with.
func localEnd(s string, wide bool) (int, error) {
	if s != "" && s[0] == '"' {
		return quotedEnd(s, wide)
	}
	dot := true // the byte before was a dot, or there is none: a dot may not follow
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case atext[c]:
			dot = false
		case c == '.' && !dot:
			dot = true
		case c == '@' && !dot:
			return i, nil
		case c >= 0x80 && wide:
			n := wideText(s[i:])
			if n == 0 {
				return 0, fmt.Errorf("%w: bad UTF-8 in the local part", ErrBadAddress)
			}
			i += n - 1
			dot = false
		default:
			return 0, fmt.Errorf("%w: %q not allowed here in the local part", ErrBadAddress, c)
		}
	}
	return 0, fmt.Errorf("%w: no domain", ErrBadAddress)
}

// quotedEnd returns the length of the quoted string that s starts with.
func quotedEnd(s string, wide bool) (int, error) {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1, nil
		case c == '\\':
			i++
			if i == len(s) || s[i] < ' ' || s[i] > '~' {
				return 0, fmt.Errorf("%w: bad quoted pair", ErrBadAddress)
			}
		case c >= ' ' && c <= '~':
		case c >= 0x80 && wide:
			n := wideText(s[i:])
			if n == 0 {
				return 0, fmt.Errorf("%w: bad UTF-8 in the local part", ErrBadAddress)
			}
			i += n - 1
		default:
			return 0, fmt.Errorf("%w: %q not allowed in a quoted string", ErrBadAddress, c)
		}
	}
	return 0, fmt.Errorf("%w: quoted string without an end", ErrBadAddress)
}

// wideText returns the length of the character that s starts with, or 0 if it is not well-formed
// or is a control, format or separator character: those would deceive whoever reads the address.
func wideText(s string) int {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n < 2 || unicode.In(r, unicode.C, unicode.Z) && r != '\u200c' && r != '\u200d' {
		return 0
	}
	return n
}

// atext is what an atom is made of (RFC 5322 3.2.3).
var atext = func() (t [256]bool) {
	const specials = "!#$%&'*+-/=?^_`{|}~"
	for c := range t {
		t[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c < 0x80 && strings.IndexByte(specials, byte(c)) >= 0
	}
	return t
}()

// DomainOf returns the domain of an address that has been checked before, in lower case, without
// allocation if it is so already. "" if the address has none.
func DomainOf(addr string) string {
	at := strings.LastIndexByte(addr, '@')
	if at < 0 {
		return ""
	}
	return lowerASCII(addr[at+1:])
}

// lowerASCII is strings.ToLower for ASCII: a byte above 127 stays as it is.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if c := b[i]; 'A' <= c && c <= 'Z' {
					b[i] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
