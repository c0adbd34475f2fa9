package imap

import (
	"bytes"

	goimap "github.com/emersion/go-imap/v2"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// parts writes what is of a message's content.
func (f *fetcher) parts(m mailbox.Message, p *part) error {
	o := &f.out
	if f.options.Envelope {
		f.item("ENVELOPE ")
		o.envelope(p.header)
	}
	if f.options.BodyStructure != nil {
		if f.s.request.body {
			f.item("BODY ")
			o.structure(p, false)
		}
		if f.s.request.full {
			f.item("BODYSTRUCTURE ")
			o.structure(p, true)
		}
	}
	for i, b := range f.options.BodySection {
		f.item(f.label(i, b))
		o.raw(" ")
		if f.inPieces && isFlat(b) {
			if err := f.flat(m, b); err != nil {
				return err
			}
			continue
		}
		octets, ok := f.section(p, b)
		if !ok {
			o.raw("NIL")
			continue
		}
		if err := f.octets(partial(octets, b.Partial), false); err != nil {
			return err
		}
	}
	return f.binaries(p)
}

func (f *fetcher) section(p *part, b *goimap.FetchItemBodySection) ([]byte, bool) {
	if ofHeader(b) {
		return headerSection(p.header, b), true
	}
	return p.section(b)
}

// label names a section as the client did.
func (f *fetcher) label(i int, b *goimap.FetchItemBodySection) string {
	if names := f.s.request.sections; i < len(names) && names[i] != "BODY" {
		return names[i]
	}
	o := output{utf8: f.out.utf8}
	o.raw("BODY[")
	o.partNumber(b.Part)
	if b.Specifier != goimap.PartSpecifierNone {
		if len(b.Part) > 0 {
			o.raw(".")
		}
		o.raw(string(b.Specifier))
	}
	list := b.HeaderFields
	if list != nil {
		o.raw(".FIELDS (")
	} else if list = b.HeaderFieldsNot; list != nil {
		o.raw(".FIELDS.NOT (")
	}
	for i, name := range list {
		if i > 0 {
			o.raw(" ")
		}
		if isKeyword(name) {
			o.raw(name)
		} else {
			o.text(name)
		}
	}
	if list != nil {
		o.raw(")")
	}
	o.raw("]")
	o.origin(b.Partial)
	return string(o.b)
}

func (o *output) partNumber(number []int) {
	for i, n := range number {
		if i > 0 {
			o.raw(".")
		}
		o.number(int64(n))
	}
}

// origin tells where the octets of a partial FETCH begin.
func (o *output) origin(p *goimap.SectionPartial) {
	if p != nil {
		o.raw("<")
		o.number(p.Offset)
		o.raw(">")
	}
}

// binaries writes BINARY and BINARY.SIZE (RFC 3516).
func (f *fetcher) binaries(p *part) error {
	o := &f.out
	for _, b := range f.options.BinarySection {
		octets, known, ok := p.binary(b.Part)
		if f.strange = f.strange || !known; !known {
			continue
		}
		f.item("BINARY[")
		o.partNumber(b.Part)
		o.raw("]")
		o.origin(b.Partial)
		o.raw(" ")
		if !ok {
			o.raw("NIL")
			continue
		}
		if err := f.octets(partial(octets, b.Partial), true); err != nil {
			return err
		}
	}
	for _, b := range f.options.BinarySectionSize {
		octets, known, _ := p.binary(b.Part)
		if f.strange = f.strange || !known; !known {
			continue
		}
		f.item("BINARY.SIZE[")
		o.partNumber(b.Part)
		o.raw("] ")
		o.number(int64(len(octets)))
	}
	return nil
}

// octets writes a literal; one with NUL is a literal8. A long one is not copied.
func (f *fetcher) octets(b []byte, binary bool) error {
	o := &f.out
	if binary && bytes.IndexByte(b, 0) >= 0 {
		o.raw("~")
	}
	o.literal(int64(len(b)))
	return f.bytes(b)
}

// bytes writes octets of a literal.
func (f *fetcher) bytes(b []byte) error {
	o := &f.out
	if len(b) < flushAt/4 {
		o.b = append(o.b, b...)
		if len(o.b) < flushAt {
			return nil
		}
		return f.flush() // a FETCH may ask for thousands of parts
	}
	if err := f.flush(); err != nil {
		return err
	}
	if err := f.s.write(b); err != nil {
		return err
	}
	return nil
}
