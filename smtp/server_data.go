package smtp

import (
	"bytes"
	"io"

	"github.com/posthaste-mta/posthaste/message"
)

// contentOverhead is what the buffer of a content of declared size holds besides: its end, a
// stuffed dot here and there, and the next commands.
const contentOverhead = 1024

// data answers DATA (RFC 5321 4.1.1.4).
func (c *serverConn) data() {
	switch {
	case !c.tx.open:
		c.refuse(replyNeedMail)
		return
	case c.tx.chunked:
		c.refuse(replyChunksBegan)
		return
	case c.tx.rcpts == 0:
		c.refuse(replyNeedRcpt)
		return
	case !c.in.borrow(c.tx.declared + contentOverhead):
		c.refuseMemory()
		return
	}
	c.say(replySendData)
	refusal, err := c.readContent()
	if err != nil {
		c.readFailed(err)
		return
	}
	c.deliver(refusal)
}

// readContent reads to the true end of the content, CR LF . CR LF, so that the dialogue stays in
// step whatever is in it. refusal is the reply if it was not kept: then what comes is dropped
// as it comes.
func (c *serverConn) readContent() (refusal string, err error) {
	scan := dotScanner{in: &c.in, maxLine: c.cfg.MaxLineLength}
	for !scan.next() {
		if refusal == "" {
			refusal = c.makeRoom()
		}
		if refusal != "" {
			if scan.drop(); scan.dropped > c.swallowLimit() {
				c.end(refusal)
				return refusal, io.EOF
			}
		}
		c.arm()
		if err := c.fill(); err != nil {
			return "", err
		}
	}
	if scan.doubleCR {
		// The end is in doubt. What follows must not be taken for commands.
		c.done, c.linger = true, true
	}
	switch {
	case refusal != "":
	case int64(c.in.kept) > c.cfg.MaxMessageBytes:
		refusal = replyTooBig
	default:
		refusal = c.judge(scan.lines, scan.fault)
	}
	return refusal, nil
}

// makeRoom sees to it that there is room for more content, and returns the refusal if there
// cannot be.
func (c *serverConn) makeRoom() (refusal string) {
	// Unread is an unfinished line, in which at most ".", CR is not content.
	if int64(c.in.kept+len(c.in.unread())-2) > c.cfg.MaxMessageBytes {
		return replyTooBig
	}
	if len(c.in.space()) == 0 && !c.in.grow(c.tx.declared+contentOverhead) {
		c.srv.metrics.noMemory.Add(1)
		return replyNoMemory
	}
	return ""
}

// swallowLimit bounds how much refused content is read for the sake of staying in step.
func (c *serverConn) swallowLimit() int64 { return 4*c.cfg.MaxMessageBytes + 1<<20 }

func (c *serverConn) refuseMemory() {
	c.srv.metrics.noMemory.Add(1)
	c.refuse(replyNoMemory)
}

// judge returns the refusal for content with a fault, or "".
func (c *serverConn) judge(lines int, fault contentFault) (refusal string) {
	content := c.in.buf[:c.in.kept]
	if bytes.Count(content, []byte{'\r'}) != lines || bytes.IndexByte(content, 0) >= 0 {
		fault |= faultBare
	}
	switch {
	case fault&faultBare != 0:
		c.srv.metrics.bare.Add(1)
		if c.cfg.BareNewlines == BareNormalise {
			return c.normalise()
		}
		return replyBareContent
	case fault&faultLongLine != 0:
		return c.textLine()
	}
	return ""
}

// normalise replaces the content by its normal form.
func (c *serverConn) normalise() (refusal string) {
	content := c.in.buf[:c.in.kept]
	size := normalSize(content)
	if int64(size) > c.cfg.MaxMessageBytes {
		return replyTooBig
	}
	spare := c.cfg.Memory.take(max(size, 1))
	if spare == nil {
		c.srv.metrics.noMemory.Add(1)
		return replyNoMemory
	}
	defer c.cfg.Memory.give(spare)
	normal := appendNormal(spare[:0], content)
	if message.CheckLines(normal, c.cfg.MaxLineLength) != nil {
		return c.textLine()
	}
	if !c.in.replace(normal) {
		c.srv.metrics.noMemory.Add(1)
		return replyNoMemory
	}
	return ""
}

// deliver hands the content to the Session, unless it was refused, and ends the transaction.
func (c *serverConn) deliver(refusal string) {
	if refusal != "" {
		c.resetTransaction()
		c.refuse(refusal)
		return
	}
	body := Body{content: c.in.buf[:c.in.kept:c.in.kept]}
	err := c.session.Data(&body)
	size := len(body.content)
	body.content, body.read = nil, 0 // the buffer goes on to the next message
	if c.answer(err, replyOK) {
		c.srv.metrics.messages.Add(1)
		c.srv.metrics.messageBytes.Add(uint64(size))
		c.commands, c.errors = 0, 0
	}
	c.resetTransaction()
}
