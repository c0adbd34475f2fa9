package resolver

import (
	"strings"

	"github.com/miekg/dns"
)

// The bounds of RFC 1035 2.3.4 on a name in text without its final dot.
const (
	maxNameText  = 253
	maxLabelText = 63
)

// askable returns the form in which name is asked for: in lower case, without final dot, with a
// backslash before what the codec would put one. The macros of SPF (RFC 7208 7) make names of
// local parts and addresses, so that every printable character of ASCII can be in one. ok is false for what cannot be a name
// in the DNS.
func askable(name string) (asked string, ok bool) {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > maxNameText {
		return "", false
	}
	label, special := 0, 0
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c == '.':
			if label == 0 {
				return "", false
			}
			label = 0
			continue
		case c <= ' ' || c > '~':
			return "", false
		case isSpecial(c):
			special++
		}
		if label++; label > maxLabelText {
			return "", false
		}
	}
	if label == 0 {
		return "", false
	}
	if special > 0 {
		name = escape(name, special)
	}
	return lower(name), true
}

func escape(name string, special int) string {
	b := make([]byte, 0, len(name)+special)
	for i := 0; i < len(name); i++ {
		if isSpecial(name[i]) {
			b = append(b, '\\')
		}
		b = append(b, name[i])
	}
	return string(b)
}

// isSpecial tells whether c stands behind a backslash in the codec's text form of a name.
func isSpecial(c byte) bool { return strings.IndexByte(`'@;()"\`, c) >= 0 }

// canBeAsked tells whether name, an alias that came off the wire, may be asked for in turn. Hosts of mail have
// to be host names; texts and reverse names stand at names of every kind (RFC 2317 4).
func canBeAsked(name string, qtype uint16) bool {
	if qtype == dns.TypeTXT || qtype == dns.TypePTR {
		// Already in text form: a backslash counts as one byte too many, which no honest name will notice.
		return name != "" && len(name) <= maxNameText
	}
	return checkName(name) == nil
}

// joinText returns the strings of one TXT record as one, without the escapes of the codec.
func joinText(parts []string) string {
	s := strings.Join(parts, "")
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			b = append(b, s[i])
		case i+3 < len(s) && isDigit(s[i+1]) && isDigit(s[i+2]) && isDigit(s[i+3]):
			b = append(b, (s[i+1]-'0')*100+(s[i+2]-'0')*10+(s[i+3]-'0'))
			i += 3
		case i+1 < len(s):
			i++
			b = append(b, s[i])
		}
	}
	return string(b)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
