package message

import (
	"errors"
	"fmt"
)

// ErrBadXtext is wrapped by the errors of DecodeXtext and ParseOriginalRecipient; the command is
// to be answered with 501 5.5.4.
var ErrBadXtext = errors.New("message: bad xtext")

const upperHex = "0123456789ABCDEF"

// EncodeXtext returns s as xtext (RFC 3461 4): what is not printable ASCII, and "+" and "=",
// becomes "+" and two hex digits.
func EncodeXtext(s string) string {
	n := 0
	for i := 0; i < len(s); i++ {
		if !xchar(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := 0; i < len(s); i++ {
		if c := s[i]; xchar(c) {
			b = append(b, c)
		} else {
			b = append(b, '+', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}

func xchar(c byte) bool { return c > ' ' && c <= '~' && c != '+' && c != '=' }

// DecodeXtext reads xtext. The value holds printable ASCII and space only, as ENVID and the
// address of ORCPT must (RFC 3461 4.2, 4.4): a CR LF smuggled in as "+0D+0A" would otherwise
// become a field of the report's.
func DecodeXtext(s string) (string, error) { return decodeXtext(s, '~') }

// decodeXtext reads xtext whose encoded characters are at most last.
func decodeXtext(s string, last byte) (string, error) {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = xchar(s[i])
	}
	if plain {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '+' {
			if i+2 >= len(s) {
				return "", fmt.Errorf("%w: cut short", ErrBadXtext)
			}
			hi, lo := hexValue(s[i+1]), hexValue(s[i+2])
			if hi < 0 || lo < 0 {
				return "", fmt.Errorf("%w: no hex digits after +", ErrBadXtext)
			}
			c = byte(hi<<4 | lo)
			if c < ' ' || c > last || c == 0x7f {
				return "", fmt.Errorf("%w: stands for an unprintable character", ErrBadXtext)
			}
			i += 2
		} else if !xchar(c) {
			return "", fmt.Errorf("%w: %q must be encoded", ErrBadXtext, c)
		}
		b = append(b, c)
	}
	return string(b), nil
}

// hexValue takes upper case, which RFC 3461 4 demands, and lower case, which some senders write.
func hexValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
