package imap

import "strings"

// mediaType is the value of a Content-Type or Content-Disposition field, read with patience: what is sent is
// often not what RFC 2045 5.1 allows.
type mediaType struct {
	typ, subtype string // small letters; of a disposition the first alone
	params       []param
}

type param struct{ name, value string }

// maxParams bounds the parameters that are read.
const maxParams = 64

func (m mediaType) isMessage() bool {
	return m.typ == "message" && (m.subtype == "rfc822" || m.subtype == "global")
}

// param returns a parameter's value, or "".
func (m mediaType) param(name string) string {
	for _, p := range m.params {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// parseMediaType reads a Content-Type. One that says nothing is text/plain (RFC 2045 5.2).
func parseMediaType(v string) mediaType {
	m := parseParams(v)
	full := m.typ
	typ, subtype, ok := strings.Cut(full, "/")
	m.typ, m.subtype = strings.TrimSpace(typ), strings.TrimSpace(subtype)
	if !ok || m.typ == "" || m.subtype == "" {
		m.typ, m.subtype = "text", "plain"
	}
	return m
}

// parseParams reads a value with parameters. The value is put into typ.
func parseParams(v string) mediaType {
	v = stripComments(v)
	value, rest, more := strings.Cut(v, ";")
	m := mediaType{typ: strings.ToLower(strings.TrimSpace(value))}
	for more && len(m.params) < maxParams {
		var name string
		name, rest, more = strings.Cut(rest, "=")
		if !more {
			break
		}
		if i := strings.LastIndexByte(name, ';'); i >= 0 { // a parameter without value
			name = name[i+1:]
		}
		name = strings.ToLower(strings.TrimSpace(name))
		var p string
		p, rest = paramValue(strings.TrimLeft(rest, " \t"))
		if name != "" {
			m.params = append(m.params, param{name, p})
		}
		_, rest, more = strings.Cut(rest, ";")
	}
	return m
}

// paramValue takes a parameter's value off the begin of s.
func paramValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		if i := strings.IndexByte(s, ';'); i >= 0 {
			return strings.TrimSpace(s[:i]), s[i:]
		}
		return strings.TrimSpace(s), ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			if i++; i == len(s) {
				return b.String(), ""
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// stripComments takes comments in brackets out of a structured value (RFC 5322 3.2.2).
func stripComments(s string) string {
	if !strings.Contains(s, "(") {
		return s
	}
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && (quoted || depth > 0):
			if depth == 0 {
				b.WriteString(s[i : i+2])
			}
			i++
			continue
		case c == '"' && depth == 0:
			quoted = !quoted
		case c == '(' && !quoted:
			depth++
			continue
		case c == ')' && depth > 0:
			depth--
			continue
		}
		if depth == 0 {
			b.WriteByte(c)
		}
	}
	return b.String()
}
