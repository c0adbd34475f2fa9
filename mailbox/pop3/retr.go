package pop3

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// pieceSize is how much of a message is in memory at a time.
const pieceSize = 256 << 10

// retr answers RETR (RFC 1939 5). It sets no flag: that a program has fetched a message does not mean that
// somebody has seen it.
func (c *conn) retr(arg []byte) {
	e, _ := c.message(arg)
	if e == nil {
		return
	}
	if c.sendMessage(e, e.size, "+OK "+strconv.FormatInt(e.size, 10)+" octets\r\n", nil) {
		c.sent++
		c.srv.metrics.retrieved.Add(1)
		c.srv.metrics.retrievedBytes.Add(uint64(e.size))
	}
}

// top answers TOP (RFC 1939 7): the header, the empty line and some lines of the body.
func (c *conn) top(arg []byte) {
	number, count, _ := bytes.Cut(arg, []byte{' '})
	lines, ok := parseNumber(count)
	if !ok {
		c.refuse(replySyntaxTop)
		return
	}
	e, _ := c.message(number)
	if e == nil {
		return
	}
	size := e.size
	if lines == 0 {
		if size, ok = c.drop.folder.HeaderSize(e.uid); !ok {
			c.say(replyGone)
			return
		}
	}
	c.sendMessage(e, size, replyTop, &topScanner{lines: lines})
}

// sendMessage sends the first size bytes of a message, or only the top of it, behind the reply, and tells
// whether it did. What is sent must be taken in the time of its size.
func (c *conn) sendMessage(e *entry, size int64, reply string, top *topScanner) bool {
	free, ok := c.cfg.Memory.take(c.ctx, min(size, pieceSize))
	if !ok {
		c.srv.metrics.noMemory.Add(1)
		c.say(replyNoMemory)
		return false
	}
	defer free()
	piece, err := c.piece(e, 0, size)
	switch {
	case errors.Is(err, mailbox.ErrNoMessage):
		c.say(replyGone)
		return false
	case err != nil:
		c.storeFailed("reading a message", c.owner.Account(), err)
		c.say(replyLocalError)
		return false
	}
	c.bulk(size)
	defer c.settle()
	c.say(reply)
	w := contentWriter{w: c.out}
	for offset, done := int64(0), false; ; {
		n := len(piece)
		if top != nil {
			n, done = top.take(piece)
		}
		w.write(piece[:n])
		if offset += int64(n); offset >= size || done || c.done {
			break
		}
		if piece, err = c.piece(e, offset, size); err != nil {
			c.cutShort(err)
			return false
		}
	}
	w.end()
	return !c.done
}

// piece reads what follows offset.
func (c *conn) piece(e *entry, offset, size int64) ([]byte, error) {
	b, err := c.drop.folder.Part(c.ctx, e.uid, offset, min(pieceSize, size-offset))
	if err == nil && len(b) == 0 && offset < size {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// cutShort ends the session within a message that cannot be read to its end, because it has been expunged or
// the store fails. There is no reply for that, and a dot would make the client take it for whole.
func (c *conn) cutShort(err error) {
	c.ending = "message cut short"
	c.done = true
	if !errors.Is(err, mailbox.ErrNoMessage) {
		c.storeFailed("reading a message", c.owner.Account(), err)
	}
}
