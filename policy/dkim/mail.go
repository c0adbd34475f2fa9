package dkim

import (
	"bytes"
	"crypto/sha256"

	"github.com/posthaste-mta/posthaste/message"
)

// mail is a message whose signatures are verified. What they have in common is computed once.
type mail struct {
	content []byte
	fields  []message.Field
	picked  []int // by field: the signature, counted from 1, that covers it
	turn    int   // the signature that is looked at

	hashed           [2]bool // by form: simple, relaxed
	simple, relaxed  [sha256.Size]byte
	canonical, plain []byte // scratch
}

// body returns what follows the header and its blank line.
func (m *mail) body() []byte {
	end := 0
	if n := len(m.fields); n > 0 {
		end = m.fields[n-1].End
	}
	return bytes.TrimPrefix(m.content[end:], []byte("\r\n"))
}

// bodyHash returns the hash of the body, in relaxed or simple form.
func (m *mail) bodyHash(relaxed bool) *[sha256.Size]byte {
	if relaxed {
		if !m.hashed[1] {
			m.hashed[1], m.relaxed = true, bodyHash(m.body())
		}
		return &m.relaxed
	}
	if !m.hashed[0] {
		m.hashed[0], m.simple = true, simpleBodyHash(m.body())
	}
	return &m.simple
}

// simpleBodyHash returns the SHA-256 of body with one CRLF at the end, however many there are (RFC 6376 3.4.3).
func simpleBodyHash(body []byte) (sum [sha256.Size]byte) {
	crlf := []byte("\r\n")
	whole := body
	for bytes.HasSuffix(body, crlf) {
		body = body[:len(body)-2]
	}
	if len(body) < len(whole) { // the first of those cut off
		return sha256.Sum256(whole[:len(body)+2])
	}
	h := sha256.New()
	h.Write(body)
	h.Write(crlf)
	h.Sum(sum[:0])
	return sum
}

// headerHash returns the hash that the signature in the n-th field was made of: the fields that it lists, then
// itself without the value of b= (RFC 6376 3.7).
func (m *mail) headerHash(n int, c *claim) [sha256.Size]byte {
	if m.picked == nil {
		m.picked = make([]int, len(m.fields))
		m.canonical = make([]byte, 0, 2048)
	}
	m.turn++
	m.picked[n] = m.turn // it does not cover itself (RFC 6376 3.5)
	out := m.canonical[:0]
	for rest, more := c.names, true; more; {
		var name []byte
		name, rest, more = bytes.Cut(rest, []byte(":"))
		if f := m.pick(name); f != nil {
			out = m.appendField(out, f, name, c.headerRelaxed)
		}
	}
	f := m.fields[n]
	b := c.tags[tagSignature]
	m.plain = append(append(m.plain[:0], m.content[f.Start:b.start]...), m.content[b.end:f.End]...)
	if c.headerRelaxed {
		out = appendRelaxedField(out, "dkim-signature", m.plain[f.NameEnd-f.Start:])
		out = out[:len(out)-2]
	} else {
		out = append(out, bytes.TrimRight(m.plain, "\r\n")...)
	}
	m.canonical = out
	return sha256.Sum256(out)
}

// pick returns the last field of that name, in lower case, that the signature has not covered yet (RFC 6376 5.4.2);
// nil if there is none.
func (m *mail) pick(name []byte) *message.Field {
	for i := len(m.fields) - 1; i >= 0; i-- {
		f := &m.fields[i]
		if f.NameEnd-f.Start == len(name) && m.picked[i] != m.turn && isNamed(f.Name(m.content), name) {
			m.picked[i] = m.turn
			return f
		}
	}
	return nil
}

// isNamed compares a field's name with one in lower case of the same length.
func isNamed(name, lower []byte) bool {
	for i, b := range name {
		if 'A' <= b && b <= 'Z' {
			b |= 0x20
		}
		if b != lower[i] {
			return false
		}
	}
	return true
}

// appendField appends a field in relaxed or simple form.
func (m *mail) appendField(out []byte, f *message.Field, lowerName []byte, relaxed bool) []byte {
	if relaxed {
		return appendRelaxedField(out, lowerName, m.content[f.NameEnd:f.End])
	}
	out = append(out, m.content[f.Start:f.End]...)
	if !bytes.HasSuffix(out, []byte("\n")) { // cut off in the last field
		out = append(out, '\r', '\n')
	}
	return out
}
