package imap

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"

	goimap "github.com/emersion/go-imap/v2"
)

// section returns the octets of BODY[...] (RFC 9051 6.4.5.1); not ok: there is no such part.
func (p *part) section(s *goimap.FetchItemBodySection) (octets []byte, ok bool) {
	found := p.find(s.Part)
	if found == nil {
		return nil, false
	}
	whole := len(s.Part) == 0
	switch s.Specifier {
	case goimap.PartSpecifierNone:
		if whole {
			return p.all(), true
		}
		return found.body, true
	case goimap.PartSpecifierMIME:
		return found.header, true
	}
	if !whole {
		if found = found.inner; found == nil { // HEADER and TEXT are of messages
			return nil, false
		}
	}
	if s.Specifier == goimap.PartSpecifierText {
		return found.body, true
	}
	return headerSection(found.header, s), true
}

// headerSection returns BODY[HEADER], or the fields of it that are wanted.
func headerSection(header []byte, s *goimap.FetchItemBodySection) []byte {
	switch {
	case s.HeaderFields != nil:
		return pickFields(header, s.HeaderFields, false)
	case s.HeaderFieldsNot != nil:
		return pickFields(header, s.HeaderFieldsNot, true)
	}
	return header
}

// all is header and body: they lie behind each other.
func (p *part) all() []byte {
	return p.header[:len(p.header)+len(p.body)]
}

// binary returns the octets of BINARY[...], decoded (RFC 3516 4.2). Not known: nobody can decode it; not ok: there
// is no such part.
func (p *part) binary(number []int) (octets []byte, known, ok bool) {
	found := p.find(number)
	switch {
	case found == nil:
		return nil, true, false
	case len(number) == 0:
		return p.all(), true, true
	}
	octets, known = found.decoded()
	return octets, known, true
}

// decoded is the body without its transfer encoding. What is broken is decoded as far as it goes.
func (p *part) decoded() (octets []byte, known bool) {
	if p.typ.typ == "multipart" || p.inner != nil {
		return p.body, true
	}
	switch p.encoding() {
	case "", "7bit", "8bit", "binary":
		return p.body, true
	case "base64":
		return decodeBase64(p.body), true
	case "quoted-printable":
		b, _ := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(p.body)))
		return b, true
	}
	return nil, false
}

// decodeBase64 decodes what can be decoded, over line ends and any other octet that does not belong there.
func decodeBase64(body []byte) []byte {
	clean := make([]byte, 0, len(body))
	for _, c := range body {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			clean = append(clean, c)
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	n, _ := base64.RawStdEncoding.Decode(clean, clean) // nothing else can be wrong
	return clean[:n]
}

// partial cuts <offset.size> out (RFC 9051 6.4.5).
func partial(octets []byte, s *goimap.SectionPartial) []byte {
	if s == nil {
		return octets
	}
	if s.Offset >= int64(len(octets)) || s.Offset < 0 || s.Size <= 0 {
		return octets[:0]
	}
	octets = octets[s.Offset:]
	return octets[:min(s.Size, int64(len(octets)))]
}
