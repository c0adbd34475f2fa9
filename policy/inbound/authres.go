package inbound

import (
	"strings"

	"github.com/posthaste-mta/posthaste/policy/dmarc"
)

// VerdictField is the name of the field that lists the tags of a Decision.
const VerdictField = "X-Posthaste-Verdict"

// Header returns the fields to put on top of a message, each with its line end: Authentication-Results (RFC 8601) and, if
// there is something to tell, the verdict.
func (c *Checker) Header(r Results, d Decision) []byte {
	w := fieldWriter{b: make([]byte, 0, 512)}
	w.b = append(w.b, "Authentication-Results: "...)
	w.b = append(w.b, c.cfg.ID...)
	w.method("spf", string(r.SPF.Value), r.SPF.Reason)
	switch {
	case r.SPF.Domain == "":
	case r.SPF.HELO:
		w.property("smtp.helo", r.SPF.Domain)
	default:
		w.property("smtp.mailfrom", r.SPF.Domain)
	}
	if len(r.DKIM.Signatures) == 0 {
		w.method("dkim", string(None), "")
	}
	for _, s := range r.DKIM.Signatures {
		w.method("dkim", string(s.Value), s.Reason)
		w.property("header.d", s.Domain)
		w.property("header.s", s.Selector)
		w.property("header.a", s.Algorithm)
		w.property("header.b", s.Start)
	}
	w.method("dmarc", r.DMARC.Value.String(), r.DMARC.reasonForHeader())
	w.property("header.from", r.DMARC.Author)
	w.property("policy.dmarc", r.DMARC.Policy.String())
	if r.Client.Reverse.Value != "" {
		w.method("iprev", string(r.Client.Reverse.Value), "")
		w.property("policy.iprev", r.Client.Addr.String())
		w.property("smtp.remote-hostname", r.Client.Reverse.Name)
	}
	w.b = append(w.b, "\r\n"...)
	if len(d.Tags) > 0 {
		w.b = append(w.b, VerdictField+": "...)
		w.b = append(w.b, d.Action.String()+"; "...)
		w.b = append(w.b, strings.Join(d.Tags, ",\r\n\t")...)
		w.b = append(w.b, "\r\n"...)
	}
	return w.b
}

func (d DMARC) reasonForHeader() string {
	if d.Value == dmarc.TempError {
		return "DNS lookup failed for now"
	}
	return d.Reason
}

// fieldWriter writes the results of one field.
type fieldWriter struct {
	b    []byte
	line int // where the line starts
}

// maxLine is the length of line that RFC 5322 2.1.1 recommends, in octets.
const maxLine = 78

// method starts a result on a line of its own.
func (w *fieldWriter) method(name, value, reason string) {
	w.b = append(w.b, ';')
	w.newLine()
	w.b = append(w.b, name...)
	w.b = append(w.b, '=')
	w.b = append(w.b, value...)
	if reason != "" {
		w.word("reason", reason, false)
	}
}

func (w *fieldWriter) newLine() {
	w.b = append(w.b, "\r\n\t"...)
	w.line = len(w.b) - 1
}

// property adds what the result is about.
func (w *fieldWriter) property(name, value string) {
	if value != "" {
		w.word(name, value, isToken(value))
	}
}

// word adds "name=value", on the next line if this one would get too long.
func (w *fieldWriter) word(name, value string, token bool) {
	if len(w.b)-w.line+len(name)+len(value)+len(` =""`) > maxLine {
		w.newLine()
	} else {
		w.b = append(w.b, ' ')
	}
	w.b = append(w.b, name...)
	w.b = append(w.b, '=')
	if token {
		w.b = append(w.b, value...)
		return
	}
	w.quoted(value)
}

// quoted adds a quoted string. What cannot be in one becomes "?".
func (w *fieldWriter) quoted(s string) {
	w.b = append(w.b, '"')
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c < ' ' || c >= 0x7f:
			c = '?'
		case c == '"' || c == '\\':
			w.b = append(w.b, '\\')
		}
		w.b = append(w.b, c)
	}
	w.b = append(w.b, '"')
}

// isToken tells whether s needs no quotes (RFC 2045 5.1).
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !tokenChar[s[i]] {
			return false
		}
	}
	return s != ""
}

var tokenChar = func() (t [256]bool) {
	for c := '!'; c <= '~'; c++ {
		t[c] = !strings.ContainsRune(`()<>@,;:\"/[]?=`, c)
	}
	return t
}()
