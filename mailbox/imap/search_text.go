package imap

import (
	"io"
	"mime"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
)

// fold makes texts comparable that are equal but for case.
func fold(s string) string { return strings.ToLower(s) }

// decodeWords decodes encoded words (RFC 2047); what cannot be decoded stays.
func decodeWords(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	d := mime.WordDecoder{CharsetReader: func(charset string, r io.Reader) (io.Reader, error) {
		e, err := htmlindex.Get(charset)
		if err != nil {
			return nil, err
		}
		return e.NewDecoder().Reader(r), nil
	}}
	decoded, err := d.DecodeHeader(s)
	if err != nil {
		return s
	}
	return decoded
}

// dateOf reads the Date field.
func dateOf(header []byte) (time.Time, bool) {
	v, ok := fieldValue(header, "Date")
	if !ok || len(v) > 200 {
		return time.Time{}, false
	}
	t, err := mail.ParseDate(v)
	return t, err == nil
}

// containsText tells whether a folded text is in the words of a message: the decoded bodies of its text
// parts and, if headers is set, all headers.
func (p *part) containsText(text string, headers bool) bool {
	if headers && containsHeader(p.header, text) {
		return true
	}
	switch {
	case p.inner != nil:
		return p.inner.containsText(text, true)
	case p.typ.typ == "multipart":
		for _, child := range p.parts {
			if child.containsText(text, headers) {
				return true
			}
		}
	case p.typ.typ == "text":
		if p.folded == nil { // a search may look for hundreds of words
			folded := fold(p.words())
			p.folded = &folded
		}
		return strings.Contains(*p.folded, text)
	}
	return false
}

func containsHeader(header []byte, text string) bool {
	for name, field := range fields(header) {
		if strings.Contains(fold(name+": "+decodeWords(unfold(field))), text) {
			return true
		}
	}
	return false
}

// words is the text of a text part in UTF-8.
func (p *part) words() string {
	octets, known := p.decoded()
	if !known {
		octets = p.body
	}
	charset := strings.ToLower(p.typ.param("charset"))
	if charset == "" || charset == "us-ascii" || charset == "utf-8" || charset == "utf8" {
		return string(octets)
	}
	e, err := htmlindex.Get(charset)
	if err != nil {
		return string(octets)
	}
	s, err := e.NewDecoder().Bytes(octets)
	if err != nil || !utf8.Valid(s) {
		return string(octets)
	}
	return string(s)
}
