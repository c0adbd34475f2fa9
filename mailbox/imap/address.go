package imap

import "strings"

// maxAddresses bounds the addresses of a field that are shown.
const maxAddresses = 1000

// address is one as ENVELOPE shows it (RFC 9051 7.5.2). The begin of a group has a mailbox and no host; the end
// has neither.
type address struct {
	name, mailbox, host string
	group               bool
}

// parseAddresses reads the value of an address field with patience: what cannot be understood is shown as
// a mailbox. Encoded words stay as they are. It takes time in proportion to the value.
func parseAddresses(v string) []address {
	r := addressReader{s: v}
	var list []address
	inGroup := false
	for len(list) < maxAddresses {
		phrase, addr, end := r.next()
		if end == ':' && !inGroup {
			list, inGroup = append(list, address{mailbox: phrase, group: true}), true
			continue
		}
		switch {
		case addr != "":
			mailbox, host := splitAddress(addr)
			list = append(list, address{name: phrase, mailbox: mailbox, host: host})
		case phrase != "":
			mailbox, host := splitAddress(phrase)
			list = append(list, address{name: r.comment, mailbox: mailbox, host: host})
		}
		if inGroup && (end == ';' || end == 0) {
			list, inGroup = append(list, address{group: true}), false
		}
		if end == 0 {
			break
		}
	}
	return list
}

func splitAddress(s string) (mailbox, host string) {
	if strings.HasPrefix(s, "@") { // a route of old (RFC 5322 4.4)
		if _, rest, ok := strings.Cut(s, ":"); ok {
			s = rest
		}
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// addressReader reads the mailboxes of an address list.
type addressReader struct {
	s       string
	at      int
	comment string // the last one, which names the owner of a bare address
}

// next reads up to the end of a mailbox, and returns the words before it, the address in angle brackets, and
// what ended it: comma, colon, semicolon or 0.
func (r *addressReader) next() (phrase, addr string, end byte) {
	var words strings.Builder
	r.comment = ""
	space := false
	add := func(s string) {
		if space && words.Len() > 0 {
			words.WriteByte(' ')
		}
		words.WriteString(s)
		space = false
	}
	for r.at < len(r.s) {
		c := r.s[r.at]
		switch c {
		case ' ', '\t':
			r.at++
			space = true
		case ',', ';', ':':
			r.at++
			return words.String(), addr, c
		case '"':
			add(r.delimited('"'))
		case '(':
			r.comment = r.delimited(')')
			space = true
		case '<':
			addr = strings.TrimSpace(r.delimited('>'))
		default:
			begin := r.at
			for r.at < len(r.s) && strings.IndexByte(" \t,;:\"(<", r.s[r.at]) < 0 {
				r.at++
			}
			add(r.s[begin:r.at])
		}
	}
	return words.String(), addr, 0
}

// delimited reads from an opening delimiter to the closing one, and returns what stands between. Comments nest.
func (r *addressReader) delimited(closing byte) string {
	opening := r.s[r.at]
	var b strings.Builder
	depth := 1
	for r.at++; r.at < len(r.s); r.at++ {
		c := r.s[r.at]
		switch {
		case c == '\\' && closing != '>' && r.at+1 < len(r.s):
			r.at++
			c = r.s[r.at]
		case c == closing:
			if depth--; depth == 0 {
				r.at++
				return b.String()
			}
		case c == opening && closing == ')':
			depth++
		}
		b.WriteByte(c)
	}
	return b.String()
}
