package pop3

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// retr answers RETR (RFC 1939 5). It sets no flag: that a program has fetched a message does not mean that
// somebody has seen it.
func (c *conn) retr(arg []byte) {
	e, _ := c.message(arg)
	if e == nil {
		return
	}
	c.withContent(e, false, func(content []byte) {
		c.say("+OK " + strconv.Itoa(len(content)) + " octets\r\n")
		writeContent(c.out, content)
		if c.done {
			return // it was not taken
		}
		c.sent++
		c.srv.metrics.retrieved.Add(1)
		c.srv.metrics.retrievedBytes.Add(uint64(len(content)))
	})
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
	c.withContent(e, lines == 0, func(content []byte) {
		c.say(replyTop)
		writeContent(c.out, content[:topLength(content, lines)])
	})
}

// withContent calls send with a message, or only its header, and says why if it cannot. What is sent must
// be taken in the time of its size.
func (c *conn) withContent(e *entry, header bool, send func([]byte)) {
	size := e.size
	if header {
		// Stored apart; most are short, and how long this one is is not known yet.
		size = min(size, 64<<10)
	}
	free, ok := c.srv.cfg.Memory.take(c.ctx, size)
	if !ok {
		c.srv.metrics.noMemory.Add(1)
		c.say(replyNoMemory)
		return
	}
	defer free()
	read := c.drop.folder.Content
	if header {
		read = c.drop.folder.Header
	}
	content, err := read(c.ctx, e.uid)
	switch {
	case errors.Is(err, mailbox.ErrNoMessage):
		c.say(replyGone)
	case err != nil:
		c.storeFailed("reading a message", c.owner.Account(), err)
		c.say(replyLocalError)
	default:
		c.bulk(int64(len(content)))
		send(content)
		c.settle()
	}
}

// topLength returns the length of a message's header with the empty line behind it, and of so many lines
// of the body.
func topLength(content []byte, lines int) int {
	n, inBody := 0, false
	for n < len(content) && (!inBody || lines > 0) {
		length := bytes.IndexByte(content[n:], '\n') + 1
		if length == 0 {
			return len(content)
		}
		line := content[n : n+length]
		n += length
		switch {
		case inBody:
			lines--
		case len(line) == 1 || len(line) == 2 && line[0] == '\r':
			inBody = true
		}
	}
	return n
}
