package imap

import (
	"bytes"
	"strings"
)

// Bounds on the structure of a message. What lies deeper, or beyond so many parts, is shown as it stands, as
// one opaque part.
const (
	maxDepth = 40
	maxParts = 2000
)

// part is a message or a part of one. All slices are of the message's content: nothing is copied.
type part struct {
	header []byte // with the empty line that ends it
	body   []byte
	typ    mediaType
	parts  []*part // of a multipart
	inner  *part   // of a message/rfc822 or message/global: the message in it
	folded *string // for searching, once it has been
}

// parseMessage finds the parts of a message. It never fails: what makes no sense is one part.
func parseMessage(content []byte) *part {
	left := maxParts
	return parsePart(content, mediaType{typ: "text", subtype: "plain"}, maxDepth, &left)
}

func parsePart(content []byte, standard mediaType, depth int, left *int) *part {
	*left--
	p := &part{}
	p.header, p.body = splitHeader(content)
	p.typ = standard
	if v, ok := fieldValue(p.header, "Content-Type"); ok {
		p.typ = parseMediaType(v)
	}
	opaque := mediaType{typ: "application", subtype: "octet-stream", params: p.typ.params}
	switch {
	case p.typ.typ == "multipart":
		if depth == 0 || *left <= 0 {
			p.typ = opaque
			return p
		}
		p.splitParts(depth, left)
	case p.typ.isMessage() && p.encoding() != "base64" && p.encoding() != "quoted-printable":
		if depth == 0 || *left <= 0 {
			p.typ = opaque
			return p
		}
		p.inner = parsePart(p.body, mediaType{typ: "text", subtype: "plain"}, depth-1, left)
	case p.typ.isMessage(): // encoded, which RFC 2046 5.2.1 forbids: nothing to look into
		p.typ = opaque
	}
	return p
}

// splitParts cuts a multipart's body at its boundary (RFC 2046 5.1.1). One without any part gets an empty one:
// there is no way to write a multipart of none.
func (p *part) splitParts(depth int, left *int) {
	standard := mediaType{typ: "text", subtype: "plain"}
	if p.typ.subtype == "digest" {
		standard = mediaType{typ: "message", subtype: "rfc822"}
	}
	boundary := p.typ.param("boundary")
	if boundary != "" && len(boundary) <= 200 {
		cutter := cutter{rest: p.body, dashes: []byte("--" + boundary)}
		cutter.next() // what comes before the first part
		for *left > 0 && !cutter.last {
			content, ok := cutter.next()
			if !ok {
				break
			}
			p.parts = append(p.parts, parsePart(content, standard, depth-1, left))
		}
	}
	if len(p.parts) == 0 {
		p.parts = []*part{{header: p.body[:0], body: p.body[:0], typ: mediaType{typ: "text", subtype: "plain"}}}
	}
}

// cutter cuts at the lines that are a boundary.
type cutter struct {
	rest   []byte
	dashes []byte
	last   bool // the closing boundary was met
	ended  bool
}

// next returns what stands before the next boundary line, without the line end that belongs to it. At the end
// it returns what is left once: a cut-off message still has its last part.
func (c *cutter) next() ([]byte, bool) {
	if c.ended {
		return nil, false
	}
	for from := 0; ; {
		i := bytes.Index(c.rest[from:], c.dashes)
		if i < 0 {
			c.ended = true
			return c.rest, true
		}
		i += from
		from = i + len(c.dashes)
		if i > 0 && c.rest[i-1] != '\n' {
			continue
		}
		line, next := cutLine(c.rest[from:])
		closing := bytes.HasPrefix(line, []byte("--"))
		if !closing && len(bytes.TrimSpace(line)) > 0 {
			continue // a longer boundary that begins alike
		}
		content := trimLineEnd(c.rest[:i])
		c.rest, c.last = next, closing
		return content, true
	}
}

// cutLine cuts behind the first line.
func cutLine(b []byte) (line, rest []byte) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1], b[i+1:]
	}
	return b, nil
}

func trimLineEnd(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
		if n > 1 && b[n-2] == '\r' {
			b = b[:n-2]
		}
	}
	return b
}

// encoding is the content transfer encoding, in small letters.
func (p *part) encoding() string {
	v, _ := fieldValue(p.header, "Content-Transfer-Encoding")
	return strings.ToLower(strings.TrimSpace(stripComments(v)))
}

// find returns the part with a number such as 1.2 (RFC 9051 6.4.5.1), nil if there is none. No number: p.
func (p *part) find(number []int) *part {
	message := true // p is a whole message
	for _, n := range number {
		if p.inner != nil && !message {
			p, message = p.inner, true
		}
		switch {
		case p.typ.typ == "multipart":
			if n < 1 || n > len(p.parts) {
				return nil
			}
			p = p.parts[n-1]
		case !message || n != 1:
			return nil
		}
		message = false
	}
	return p
}
