package imap

import (
	"strconv"
	"time"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// output builds a response.
type output struct {
	b    []byte
	utf8 bool // UTF-8 may stand in quoted strings: IMAP4rev2 or UTF8=ACCEPT is enabled
}

func (o *output) raw(s string)   { o.b = append(o.b, s...) }
func (o *output) number(n int64) { o.b = strconv.AppendInt(o.b, n, 10) }

// text writes a string: quoted if it can be, else as a literal.
func (o *output) text(s string) {
	quotable := len(s) <= 1024
	for i := 0; i < len(s) && quotable; i++ {
		c := s[i]
		quotable = c != 0 && c != '\r' && c != '\n' && (c < 0x80 || o.utf8)
	}
	if quotable {
		o.b = appendQuoted(o.b, s)
		return
	}
	o.literal(int64(len(s)))
	o.raw(s)
}

// literal announces a literal.
func (o *output) literal(size int64) {
	o.raw("{")
	o.number(size)
	o.raw("}\r\n")
}

// nstring writes a string, or NIL for an empty one.
func (o *output) nstring(s string) {
	if s == "" {
		o.raw("NIL")
		return
	}
	o.text(s)
}

// flags writes a list of flags.
func (o *output) flags(f mailbox.Flags) {
	o.raw("(")
	sep := ""
	for _, s := range systemFlags {
		if f.System&s.bit != 0 {
			o.raw(sep)
			o.raw(string(s.name))
			sep = " "
		}
	}
	for _, k := range f.Keywords {
		o.raw(sep)
		o.raw(k)
		sep = " "
	}
	o.raw(")")
}

// date writes a date-time (RFC 9051 9).
func (o *output) date(t time.Time) {
	o.raw(`"`)
	o.b = t.AppendFormat(o.b, "_2-Jan-2006 15:04:05 -0700")
	o.raw(`"`)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
