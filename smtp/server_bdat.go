package smtp

import (
	"bytes"
	"errors"
)

// bdat answers BDAT (RFC 3030 2). The chunk follows the command whatever the answer will be, so
// a refused one has to be read and dropped; where its length is not known, or beyond all measure,
// the session ends, because nothing that follows could be trusted to be a command.
func (c *serverConn) bdat(arg []byte) {
	if c.cfg.DisableChunking {
		c.countError()
		c.end(replyNotImplemented)
		return
	}
	size, last, err := parseChunk(arg)
	switch {
	case errors.Is(err, errSizeOverflow), size > c.swallowLimit():
		c.countError()
		c.end(replyTooBig)
		return
	case err != nil:
		c.countError()
		c.end(replySyntaxBdat)
		return
	}
	refusal := c.refusedChunk(size)
	if refusal == "" {
		c.tx.chunked = true
		refusal, err = c.readChunk(size, last)
	} else {
		err = c.swallow(size)
	}
	switch {
	case err != nil:
		c.readFailed(err)
	case refusal != "":
		// The transaction is lost; without recipients it may still get some. But the next MAIL may
		// be under way behind LAST already.
		if c.tx.open && (c.tx.rcpts > 0 || last) {
			c.resetTransaction()
		}
		c.refuse(refusal)
	case last:
		c.finishChunks()
	default:
		c.commands-- // of a large message there may be many
		c.say(replyOK)
	}
}

// refusedChunk returns the refusal of a chunk that is not wanted from the start.
func (c *serverConn) refusedChunk(size int64) string {
	switch {
	case !c.tx.open:
		return replyNeedMail
	case c.tx.rcpts == 0:
		return replyNeedRcpt
	case int64(c.in.kept)+size > c.cfg.MaxMessageBytes:
		return replyTooBig
	case !c.in.borrow(max(c.tx.declared, size) + contentOverhead):
		c.srv.metrics.noMemory.Add(1)
		return replyNoMemory
	}
	return ""
}

// parseChunk reads the argument of BDAT: a size and, maybe, LAST.
func parseChunk(arg []byte) (size int64, last bool, err error) {
	digits, word, more := bytes.Cut(arg, []byte{' '})
	if err := parseSize(digits, &size); err != nil {
		return 0, false, err
	}
	if more {
		if last = bytes.EqualFold(bytes.TrimSpace(word), []byte("LAST")); !last {
			return 0, false, errBadParameter
		}
	}
	return size, last, nil
}

// readChunk appends the next size bytes of input to the content.
func (c *serverConn) readChunk(size int64, last bool) (refusal string, err error) {
	for size > 0 {
		if n := int(min(size, int64(c.in.w-c.in.r))); n > 0 {
			c.in.keep(c.in.r, c.in.r+n)
			c.in.r += n
			size -= int64(n)
			continue
		}
		if len(c.in.space()) == 0 && !c.in.grow(int64(c.in.kept)+size+contentOverhead) {
			c.srv.metrics.noMemory.Add(1)
			return replyNoMemory, c.swallow(size)
		}
		c.arm()
		if err := c.fill(); err != nil {
			return "", err
		}
	}
	if last {
		return c.endLastLine(), nil
	}
	return "", nil
}

// endLastLine ends the content with CR LF, which by BDAT it need not have. Every way on, DATA and
// signatures among them, takes it to have one.
func (c *serverConn) endLastLine() (refusal string) {
	content := c.in.buf[:c.in.kept]
	if len(content) == 0 || content[len(content)-1] == '\n' {
		return ""
	}
	if !c.in.append("\r\n") {
		c.srv.metrics.noMemory.Add(1)
		return replyNoMemory
	}
	return ""
}

// finishChunks hands over the content of a transaction by BDAT.
func (c *serverConn) finishChunks() {
	lines, fault := checkContent(c.in.buf[:c.in.kept], c.cfg.MaxLineLength)
	c.deliver(c.judge(lines, fault))
}

// swallow reads and drops a refused chunk. What was kept of the message goes first.
func (c *serverConn) swallow(size int64) error {
	c.in.endContent()
	for {
		n := min(size, int64(len(c.in.unread())))
		c.in.r += int(n)
		if size -= n; size == 0 {
			return nil
		}
		c.arm()
		if err := c.fill(); err != nil {
			return err
		}
	}
}
