package mailbox

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// A content is stored once: its header under one key, its body in pieces, so that neither a header nor a part of a large
// message needs the rest. As long as one message has it nothing counts its users; when a second one comes,
// both are marked as shared and a count begins, which ends with the content.

const (
	pieceBytes = 128 << 10
	maxContent = 1 << 30 // bytes
	maxPrefix  = math.MaxUint16
)

// headerEnd returns the offset behind the empty line that ends the header; all of it if there is none.
func headerEnd(content []byte) int {
	for at := 0; at < len(content); {
		n := bytes.IndexByte(content[at:], '\n')
		if n < 0 {
			break
		}
		if line := content[at : at+n]; len(line) == 0 || len(line) == 1 && line[0] == '\r' {
			return at + n + 1
		}
		at += n + 1
	}
	return len(content)
}

// checkContent refuses what cannot be handed out again or is too large.
func checkContent(content []byte) error {
	if len(content) > maxContent {
		return fmt.Errorf("%w: a message of %d bytes", ErrLimit, len(content))
	}
	if at := bytes.IndexByte(content, 0); at >= 0 {
		return fmt.Errorf("%w at byte %d", ErrNUL, at)
	}
	return nil
}

// pieces is the number of pieces of a body.
func pieces(body uint32) uint32 { return (body + pieceBytes - 1) / pieceBytes }

// putContent stores a content for so many messages and returns what their records say of it.
func (t *txn) putContent(content []byte, users int) mail {
	end := headerEnd(content)
	m := mail{content: t.newID(), header: uint32(end), body: uint32(len(content) - end), shared: users > 1}
	t.set(idKey(spaceHeader, m.content), content[:end])
	body := content[end:]
	for piece := range pieces(m.body) {
		n := min(len(body), pieceBytes)
		t.set(pieceKey(m.content, piece), body[:n])
		body = body[n:]
	}
	if m.shared {
		t.refs[m.content] = uint64(users)
	}
	t.Store.meta.bytes += int64(len(content))
	return m
}

// loadShare reads how many messages have a shared content.
func (t *txn) loadShare(content uint64) error {
	if _, ok := t.refs[content]; ok {
		return nil
	}
	b, err := t.get(idKey(spaceRefs, content))
	if err != nil {
		return err
	}
	n, used := binary.Uvarint(b)
	if used <= 0 || n == 0 {
		return fmt.Errorf("%w: content %d has no users", errDamaged, content)
	}
	t.refs[content] = n
	return nil
}

// dropContent takes one user from a content, whose count is loaded, and removes it with the last.
func (t *txn) dropContent(m *mail) {
	if m.shared {
		t.refs[m.content]--
		if t.refs[m.content] > 0 {
			return
		}
	}
	t.removeSized(idKey(spaceHeader, m.content), int(m.header))
	left := m.body
	for piece := range pieces(m.body) {
		n := min(left, pieceBytes)
		t.removeSized(pieceKey(m.content, piece), int(n))
		left -= n
	}
	t.Store.meta.bytes -= int64(m.header) + int64(m.body)
	t.counts.reclaimed.Add(1)
}

func varint(n uint64) []byte { return binary.AppendUvarint(nil, n) }
