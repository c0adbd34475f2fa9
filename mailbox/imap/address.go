package imap

import "strings"

// maxAddresses bounds the addresses of a field that are shown.
const maxAddresses = 1000

// address is one as ENVELOPE shows it (RFC 9051 7.5.2). The begin of a group has a mailbox and no host; the end
// has neither.
type address struct {
	name, route, mailbox, host string
	group                      bool
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
			list = append(list, splitAddress(phrase, addr))
		case phrase != "":
			list = append(list, splitAddress(r.comment, phrase))
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

func splitAddress(name, s string) address {
	a := address{name: name, mailbox: s}
	if strings.HasPrefix(s, "@") { // a route of old (RFC 5322 4.4)
		if route, rest, ok := strings.Cut(s, ":"); ok {
			a.route, a.mailbox = route, rest
		}
	}
	if i := strings.LastIndexByte(a.mailbox, '@'); i >= 0 {
		a.mailbox, a.host = a.mailbox[:i], a.mailbox[i+1:]
	}
	return a
}

// plainAddress is what stands in angle brackets without comments and, unless something is quoted, blanks.
func plainAddress(s string) string {
	s = stripComments(s)
	if !strings.Contains(s, `"`) {
		s = strings.Join(strings.Fields(s), "")
	}
	return strings.TrimSpace(s)
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
			addr = plainAddress(r.delimited('>'))
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
