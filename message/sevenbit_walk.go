package message

import "unicode/utf8"

// sevenBit is one conversion: a single walk through content, part by part, that copies or encodes.
type sevenBit struct {
	in     []byte
	out    []byte
	copied int      // what of in has been dealt with
	pos    int      // where the next entity starts
	open   []string // boundaries of the multiparts around it, the outermost first
	stop   delimiter
	depth  int
	parts  int
}

// entityRole is what an entity is to the one around it.
type entityRole struct {
	message bool // a message, whose header is to have MIME-Version; else a part
	digest  bool // part of multipart/digest: message/rfc822 where no type is named (RFC 2046 5.1.5)
	report  bool // part of multipart/report
}

// keep copies what of in has not been dealt with, up to end.
func (c *sevenBit) keep(end int) {
	c.out = append(c.out, c.in[c.copied:end]...)
	c.copied = end
}

// entity deals with the header and the body at pos and leaves the line that ends them in stop. Of what is all
// 7-bit only the named encodings are set right: inside of 7bit there may be no 8bit (RFC 2045 6.4).
func (c *sevenBit) entity(role entityRole) error {
	if c.parts++; c.parts > maxParts {
		return errParts
	}
	c.depth++
	defer func() { c.depth-- }()
	h := c.readHeader(role)
	if Has8Bit(c.in[h.start:h.end]) {
		return errWideHeader
	}
	switch {
	case c.depth > maxPartDepth:
		return c.untouched(&h, errDepth)
	case h.problem != "":
		return c.untouched(&h, h.problem)
	case h.media.top == "multipart":
		return c.multipart(&h)
	case h.media.is("message", "rfc822"):
		return c.nested(&h, role)
	}
	c.leaf(&h)
	return nil
}

// untouched passes over a body that cannot be converted. It need not be where it is 7-bit.
func (c *sevenBit) untouched(h *entityHeader, problem Unconvertible) error {
	c.stop = c.next(h.body)
	if Has8Bit(c.in[h.body:c.stop.line]) {
		return problem
	}
	if h.encoding.wide() && problem != errTwoTypes {
		c.edit(h, headerEdit{encoding: "7bit"})
	}
	return nil
}

// multipart deals with the parts and what is around them.
func (c *sevenBit) multipart(h *entityHeader) error {
	c.container(h)
	level := len(c.open)
	c.open = append(c.open, h.media.boundary)
	role := entityRole{digest: h.media.sub == "digest", report: h.media.sub == "report"}
	c.stop = c.next(h.body)
	if c.stop.level != level && Has8Bit(c.in[h.body:c.stop.line]) {
		return errBoundary // not one part
	}
	c.ignored(h.body)
	for c.stop.level == level && !c.stop.closing {
		c.pos = c.stop.next
		if err := c.entity(role); err != nil {
			return err
		}
	}
	c.open = c.open[:level]
	if c.stop.level == level {
		after := c.stop.next
		c.stop = c.next(after)
		c.ignored(after)
	}
	return nil // without a closing delimiter the parts end where the entity around them does, as readers have it
}

// ignored deals with what stands before the first delimiter or behind the last, up to stop. No MIME reader shows
// it (RFC 2046 5.1.1), but the text may say so to others: it is encoded, rather than dropped.
func (c *sevenBit) ignored(start int) {
	end := c.bodyEnd(start)
	if text := c.in[start:end]; Has8Bit(text) {
		c.encode(start, end, textEncoding(text))
	}
}

// nested deals with message/rfc822, which is never encoded as a whole (RFC 2046 5.2.1). A report is not to fail
// because of the message that it returns: where that cannot be converted it is encoded after all, as message/global, which
// may be (RFC 6532 3.7).
func (c *sevenBit) nested(h *entityHeader, role entityRole) error {
	before := *c
	c.container(h)
	c.pos = h.body
	err := c.entity(entityRole{message: true})
	if err == nil || !role.report {
		return err
	}
	*c = before
	c.stop = c.next(h.body)
	end := c.bodyEnd(h.body)
	encoding := textEncoding(c.in[h.body:end])
	c.edit(h, headerEdit{media: "message/global", encoding: encoding})
	c.encode(h.body, end, encoding)
	return nil
}

// container sets right the header of an entity that is made of others.
func (c *sevenBit) container(h *entityHeader) {
	var e headerEdit
	if h.encoding.wide() {
		e.encoding = "7bit"
	}
	e.version = h.lacksVersion && Has8Bit(c.in[h.body:c.next(h.body).line])
	if e != (headerEdit{}) {
		c.edit(h, e)
	}
}

// leaf deals with a body that is not made of parts.
func (c *sevenBit) leaf(h *entityHeader) {
	c.stop = c.next(h.body)
	end := c.bodyEnd(h.body)
	body := c.in[h.body:end]
	wide := Has8Bit(body)
	switch {
	case !wide && !h.encoding.wide():
		return
	case !wide && CheckLines(body, maxLine) == nil:
		c.edit(h, headerEdit{encoding: "7bit"})
		return
	}
	e := headerEdit{version: h.lacksVersion, encoding: "base64"}
	if h.media.top == "text" || h.media.top == "message" {
		e.encoding = textEncoding(body)
	}
	if h.lacksVersion && !h.hasType {
		e.media = "text/plain; charset=unknown-8bit"
		if utf8.Valid(body) {
			e.media = "text/plain; charset=utf-8"
		}
	}
	c.edit(h, e)
	c.encode(h.body, end, e.encoding)
}

// maxLine is the longest line of 7-bit text, in bytes without its CRLF (RFC 5322 2.1.1).
const maxLine = 998

// encode replaces a body.
func (c *sevenBit) encode(start, end int, encoding string) {
	c.keep(start)
	if encoding == "base64" {
		c.out = appendBase64(c.out, c.in[start:end])
		if end == len(c.in) {
			c.out = append(c.out, "\r\n"...)
		}
	} else {
		c.out = appendQuotedPrintable(c.out, c.in[start:end])
	}
	c.copied = end
}
