package imap

import (
	"bytes"
	"strings"
)

// structure writes a part's BODYSTRUCTURE, or BODY, which lacks the extension data (RFC 9051 7.5.2).
func (o *output) structure(p *part, extended bool) {
	o.raw("(")
	if p.typ.typ == "multipart" {
		for _, child := range p.parts {
			o.structure(child, extended)
		}
		o.raw(" ")
		o.text(p.typ.subtype)
		if extended {
			o.raw(" ")
			o.params(p.typ.params)
			o.extension(p.header)
		}
		o.raw(")")
		return
	}
	o.text(p.typ.typ)
	o.raw(" ")
	o.text(p.typ.subtype)
	o.raw(" ")
	o.params(p.typ.params)
	o.raw(" ")
	o.field(p.header, "Content-Id")
	o.raw(" ")
	o.field(p.header, "Content-Description")
	o.raw(" ")
	if e := p.encoding(); e != "" {
		o.text(e)
	} else {
		o.raw(`"7bit"`)
	}
	o.raw(" ")
	o.number(int64(len(p.body)))
	switch {
	case p.inner != nil:
		o.raw(" ")
		o.envelope(p.inner.header)
		o.raw(" ")
		o.structure(p.inner, extended)
		o.raw(" ")
		o.number(int64(bytes.Count(p.body, []byte("\n"))))
	case p.typ.typ == "text":
		o.raw(" ")
		o.number(int64(bytes.Count(p.body, []byte("\n"))))
	}
	if extended {
		o.raw(" ")
		o.field(p.header, "Content-MD5")
		o.extension(p.header)
	}
	o.raw(")")
}

func (o *output) field(header []byte, name string) {
	v, _ := fieldValue(header, name)
	o.nstring(v)
}

func (o *output) params(list []param) {
	if len(list) == 0 {
		o.raw("NIL")
		return
	}
	o.raw("(")
	for i, p := range list {
		if i > 0 {
			o.raw(" ")
		}
		o.text(p.name)
		o.raw(" ")
		o.text(p.value)
	}
	o.raw(")")
}

// extension writes disposition, language and location.
func (o *output) extension(header []byte) {
	o.raw(" ")
	if v, _ := fieldValue(header, "Content-Disposition"); v != "" {
		d := parseParams(v)
		o.raw("(")
		o.text(d.typ)
		o.raw(" ")
		o.params(d.params)
		o.raw(")")
	} else {
		o.raw("NIL")
	}
	o.raw(" ")
	o.languages(header)
	o.raw(" ")
	o.field(header, "Content-Location")
}

func (o *output) languages(header []byte) {
	v, _ := fieldValue(header, "Content-Language")
	list := strings.FieldsFunc(stripComments(v), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	switch len(list) {
	case 0:
		o.raw("NIL")
	case 1:
		o.text(list[0])
	default:
		o.raw("(")
		for i, l := range list[:min(len(list), 50)] {
			if i > 0 {
				o.raw(" ")
			}
			o.text(l)
		}
		o.raw(")")
	}
}
