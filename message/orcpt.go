package message

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxOriginal bounds an ORCPT value as RFC 3461 4.2 does, in octets.
const maxOriginal = 500

// ParseOriginalRecipient reads the value of an ORCPT parameter: an address type, ";", and the
// address as xtext (RFC 3461 4.2), or for the type utf-8 in one of the forms of RFC 6533 3. The
// address comes back decoded; the type as it was written, for a relay must not change its case (RFC 3461 5.2.1). With wide, which stands for SMTPUTF8, the
// utf-8 form may hold UTF-8 as it is.
//
// Postfix encodes an address of RFC 6531 as plain xtext of the type rfc822, to which only ASCII
// belongs. A 501 would bounce all such mail of its users, so it is taken as what it means: utf-8.
func ParseOriginalRecipient(s string, wide bool) (addrType, addr string, err error) {
	if len(s) > maxOriginal {
		return "", "", fmt.Errorf("%w: ORCPT longer than %d octets", ErrBadXtext, maxOriginal)
	}
	addrType, rest, ok := strings.Cut(s, ";")
	if !ok || addrType == "" || rest == "" {
		return "", "", fmt.Errorf("%w: ORCPT is not a type and an address", ErrBadXtext)
	}
	for i := 0; i < len(addrType); i++ {
		if c := addrType[i]; !atext[c] {
			return "", "", fmt.Errorf("%w: ORCPT address type with %q", ErrBadXtext, c)
		}
	}
	if strings.EqualFold(addrType, "utf-8") {
		addr, err = decodeUnitext(rest, wide)
		return addrType, addr, err
	}
	if !strings.EqualFold(addrType, "rfc822") {
		addr, err = DecodeXtext(rest)
		return addrType, addr, err
	}
	if addr, err = decodeXtext(rest, 0xff); err != nil {
		return "", "", err
	}
	for i := 0; i < len(addr); {
		n := 1
		if addr[i] >= utf8.RuneSelf {
			if n = wideText(addr[i:]); n == 0 {
				return "", "", fmt.Errorf("%w: stands for bad UTF-8", ErrBadXtext)
			}
			addrType = "utf-8"
		}
		i += n
	}
	return addrType, addr, nil
}

// FormatOriginalRecipient writes the value of an ORCPT parameter: with wide, for a transaction with
// SMTPUTF8, an address of the type utf-8 in UTF-8, and else in ASCII, the form that every next hop with DSN
// takes (RFC 6533 3).
func FormatOriginalRecipient(addrType, addr string, wide bool) string {
	if strings.EqualFold(addrType, "utf-8") {
		return addrType + ";" + encodeUnitext(addr, wide)
	}
	return addrType + ";" + EncodeXtext(addr)
}

// encodeUnitext writes utf-8-addr-xtext, or with wide utf-8-addr-unitext: what is not printable ASCII (with wide:
// neither that nor beyond ASCII), and what xtext or the form itself gives a meaning, as \x{HEX}. Bytes that are no
// UTF-8 become U+FFFD.
func encodeUnitext(s string, wide bool) string {
	var b strings.Builder
	for _, r := range s {
		if wide && r >= utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		if r < utf8.RuneSelf && xchar(byte(r)) && r != '\\' {
			b.WriteByte(byte(r))
			continue
		}
		b.WriteString(`\x{`)
		if r < 16 {
			b.WriteByte('0')
		}
		b.WriteString(strings.ToUpper(strconv.FormatInt(int64(r), 16)))
		b.WriteByte('}')
	}
	return b.String()
}

// decodeUnitext reads what encodeUnitext writes, and with wide UTF-8 as it is.
func decodeUnitext(s string, wide bool) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\\':
			r, n := embedded(s[i:])
			if n == 0 {
				return "", fmt.Errorf("%w: bad \\x{} form", ErrBadXtext)
			}
			b.WriteRune(r)
			i += n
		case xchar(c):
			b.WriteByte(c)
			i++
		case c >= utf8.RuneSelf && wide:
			n := wideText(s[i:])
			if n == 0 {
				return "", fmt.Errorf("%w: bad UTF-8", ErrBadXtext)
			}
			b.WriteString(s[i : i+n])
			i += n
		default:
			return "", fmt.Errorf("%w: %q must be encoded", ErrBadXtext, c)
		}
	}
	return b.String(), nil
}

// embedded reads \x{HEX} at the front of s and returns its length too, or 0 if it is none, or
// stands for something that has no place in an address.
func embedded(s string) (rune, int) {
	end := strings.IndexByte(s, '}')
	if end < len(`\x{10`) || end > len(`\x{10FFFF`) || s[:3] != `\x{` {
		return 0, 0
	}
	var r rune
	for i := 3; i < end; i++ {
		d := hexValue(s[i])
		if d < 0 {
			return 0, 0
		}
		r = r<<4 | rune(d)
	}
	if r < ' ' || r == 0x7f || !utf8.ValidRune(r) || r >= utf8.RuneSelf && wideText(string(r)) == 0 {
		return 0, 0
	}
	return r, end + 1
}
