package message

import "bytes"

// entityHeader is what a header says of the body behind it.
type entityHeader struct {
	start, end int // its fields
	body       int // where the body starts
	media      media
	hasType    bool
	encoding   transferEncoding
	// lacksVersion tells that it is the header of a message without MIME-Version: what it says of the body
	// is not strictly to be believed (RFC 2045 4), but all readers do.
	lacksVersion bool
	// problem is why the body cannot be converted; "" if it can.
	problem Unconvertible
}

// readHeader reads the header at pos. It ends at a line that is no field, or is a delimiter though it looks like a field.
func (c *sevenBit) readHeader(role entityRole) entityHeader {
	h := entityHeader{start: c.pos, lacksVersion: role.message, media: media{top: "text", sub: "plain"}}
	if role.digest {
		h.media = media{top: "message", sub: "rfc822"}
	}
	hasEncoding, twice := false, false
	pos := c.pos
	for {
		if _, ok := c.delimiterAt(pos); ok {
			break
		}
		f, ok := nextField(c.in, pos)
		if !ok {
			break
		}
		pos = f.End
		switch {
		case f.Is(c.in, "MIME-Version"):
			h.lacksVersion = false
		case f.Is(c.in, "Content-Type"):
			m := parseMedia(f.Value(c.in))
			twice = twice || h.hasType && m != h.media
			if !h.hasType {
				h.media, h.hasType = m, true
			}
		case f.Is(c.in, "Content-Transfer-Encoding"):
			e := parseTransferEncoding(f.Value(c.in))
			twice = twice || hasEncoding && e != h.encoding
			if !hasEncoding {
				h.encoding, hasEncoding = e, true
			}
		}
	}
	h.end, h.body = pos, pos
	_, empty := c.delimiterAt(pos)
	blank := bytes.HasPrefix(c.in[pos:], []byte("\r\n"))
	if blank {
		h.body = pos + 2
	}
	switch {
	case !empty && !blank && pos < len(c.in):
		h.problem = errHeaderEnd
	case twice:
		h.problem = errTwoTypes
	default:
		h.problem = unconvertible(h.media, h.encoding)
	}
	return h
}

// unconvertible tells why a body of that type and encoding must stay as it is; "" if it need not.
func unconvertible(m media, e transferEncoding) Unconvertible {
	composite := m.top == "multipart" || m.is("message", "rfc822")
	switch {
	case m.is("multipart", "signed"):
		return errSigned // RFC 1847 2.1
	case m.is("message", "partial"), m.is("message", "external-body"):
		return errFragment // 7-bit by definition, RFC 2046 5.2.2 and 5.2.3
	case composite && e > encodingBinary:
		return errContainer
	case m.top == "multipart" && m.boundary == "":
		return errBoundary
	case e == encodingOther:
		return errUnknown
	case e > encodingBinary:
		return errEncoded
	}
	return ""
}

// headerEdit is what is to be set in a header; "" leaves a field as it is.
type headerEdit struct {
	version  bool
	media    string // Content-Type
	encoding string // Content-Transfer-Encoding
}

// edit writes a header with e done: in the place of the old field, or at the end.
func (c *sevenBit) edit(h *entityHeader, e headerEdit) {
	left := e
	for pos := h.start; pos < h.end; {
		f, _ := nextField(c.in, pos)
		pos = f.End
		switch {
		case e.media != "" && f.Is(c.in, "Content-Type"):
			c.keep(f.Start)
			c.field("Content-Type", &left.media)
		case e.encoding != "" && f.Is(c.in, "Content-Transfer-Encoding"):
			c.keep(f.Start)
			c.field("Content-Transfer-Encoding", &left.encoding)
		default:
			continue
		}
		c.copied = f.End // a second one is left out
	}
	c.keep(h.end)
	if e.version {
		version := "1.0"
		c.field("MIME-Version", &version)
	}
	c.field("Content-Type", &left.media)
	c.field("Content-Transfer-Encoding", &left.encoding)
}

// field writes a field once.
func (c *sevenBit) field(name string, value *string) {
	if *value == "" {
		return
	}
	c.out = append(c.out, name...)
	c.out = append(c.out, ": "...)
	c.out = append(c.out, *value...)
	c.out = append(c.out, "\r\n"...)
	*value = ""
}
