package smtp

import (
	"strconv"
	"time"
)

// clientMaxUnread is how many commands may be without a reply: a hundred recipients and what goes
// round them. As long as their replies fit into our
// socket's buffer the peer never waits for us to read while we wait for it to read (RFC 2920 3.1).
const clientMaxUnread = 104

// clientPipeline is what is in flight.
type clientPipeline struct {
	slots  []*clientSlot // oldest first; replies are read for the first alone
	free   []*clientSlot
	unread int  // commands without a reply
	asked  bool // next returned nil in this Send
	ended  bool // an end of data was queued since the last flush
	// open tells that the peer may have a transaction open where our next command meets it. RSET
	// then goes before MAIL: a peer that refused BDAT or DATA need not have ended the transaction,
	// and MAIL would be out of order or, worse, its recipients would be added to the old ones. The
	// reply to RSET also shows a peer that took a refused chunk for commands.
	open bool
}

// InFlight returns how many transactions next gave that have not been the argument of Send yet.
func (c *Client) InFlight() int { return len(c.pipeline.slots) }

// add puts tx at the end of the pipe.
func (c *Client) add(tx *Transaction) *clientSlot {
	p := &c.pipeline
	var s *clientSlot
	if n := len(p.free); n > 0 {
		s, p.free = p.free[n-1], p.free[:n-1]
	} else {
		s = &clientSlot{}
	}
	s.reset(tx)
	c.check(s)
	p.slots = append(p.slots, s)
	return s
}

// removeFirst takes the oldest slot out for reuse.
func (p *clientPipeline) removeFirst() {
	s := p.slots[0]
	n := copy(p.slots, p.slots[1:])
	p.slots[n] = nil
	p.slots = p.slots[:n]
	p.free = append(p.free, s)
}

// newest returns the slot that was begun last: the one that the peer's state belongs to.
func (p *clientPipeline) newest() *clientSlot {
	for i := len(p.slots) - 1; i >= 0; i-- {
		if p.slots[i].wrote[PhaseMail] > 0 {
			return p.slots[i]
		}
	}
	return nil
}

// undecided counts the messages that are all written and not answered.
func (p *clientPipeline) undecided() (n int) {
	for _, s := range p.slots {
		if s.wrote[PhaseFinal] > s.read[PhaseFinal] {
			n++
		}
	}
	return n
}

// pump writes all that may be written before the next reply, in one flight.
func (c *Client) pump(next func() *Transaction) {
	for i := 0; ; i++ {
		if i == len(c.pipeline.slots) && !c.extend(next) {
			break
		}
		if !c.write(c.pipeline.slots[i]) {
			break
		}
	}
	c.w.flush()
	c.stampSent()
}

// stampSent notes the time in the trace of those whose end of data has just been written.
func (c *Client) stampSent() {
	if !c.pipeline.ended {
		return
	}
	c.pipeline.ended = false
	now := time.Now()
	for _, s := range c.pipeline.slots {
		if s.wrote[PhaseFinal] > 0 && s.trace.SentAt == 0 {
			s.trace.SentAt = s.since(now)
		}
	}
}

// extend asks for another transaction if there is room for one.
func (c *Client) extend(next func() *Transaction) bool {
	p := &c.pipeline
	n := len(p.slots)
	room := n < c.cfg.Window || n == 1 && !p.slots[0].chunked
	if next == nil || p.asked || !room || !c.pipelining() || c.w.err != nil || c.cfg.LMTP && p.severalReplies() {
		return false
	}
	tx := next()
	if tx == nil {
		p.asked = true
		return false
	}
	c.add(tx)
	return true
}

func (c *Client) pipelining() bool { return c.ext.Pipelining && !c.cfg.DisablePipelining }

// may tells whether another command may be written now.
func (c *Client) may() bool {
	if c.pipelining() {
		return c.pipeline.unread < clientMaxUnread
	}
	return c.pipeline.unread == 0
}

// write queues as much of s as may be written, and tells whether that was all of it.
func (c *Client) write(s *clientSlot) bool {
	for s.step != stepWritten {
		if c.w.err != nil || !c.writeStep(s) {
			return false
		}
	}
	return true
}

// writeStep queues one command of s; false means that a reply must be read first.
func (c *Client) writeStep(s *clientSlot) bool {
	if s.step == stepContent {
		return c.writeContent(s)
	}
	if !c.may() {
		return false
	}
	switch s.step {
	case stepMail:
		if c.pipeline.open {
			c.w.text("RSET\r\n")
			c.expect(s, PhaseReset)
			c.pipeline.open = false
			return true
		}
		c.writeMail(s)
	case stepRcpt:
		c.writeRcpt(s)
	case stepData:
		return c.writeData(s)
	}
	return true
}

// expect notes that a command was queued whose reply is to come.
func (c *Client) expect(s *clientSlot, p Phase) {
	s.wrote[p]++
	c.pipeline.unread++
}

func (c *Client) writeMail(s *clientSlot) {
	s.trace.Start = time.Now()
	s.trace.Chunked = s.chunked
	if b, ok := c.w.line(); ok {
		c.w.commit(appendMail(b, s.tx.Envelope, s.size, s.utf8, &c.ext))
	}
	c.expect(s, PhaseMail)
	c.pipeline.open = true
	s.step = stepRcpt
}

func (c *Client) writeRcpt(s *clientSlot) {
	if s.refused {
		s.step = stepWritten
		return
	}
	if s.next == len(s.status) {
		s.step = stepData
		return
	}
	if b, ok := c.w.line(); ok {
		c.w.commit(appendRcpt(b, &s.tx.Recipients[s.next], s.utf8 && c.ext.SMTPUTF8, &c.ext))
	}
	c.expect(s, PhaseRcpt)
	s.next = s.skipDecided(s.next + 1)
}

// writeData queues DATA, or BDAT with the content, unless it is known already that nobody is left
// to receive it.
func (c *Client) writeData(s *clientSlot) bool {
	if s.refused || s.awaits() == PhaseIdle && s.accepted == 0 {
		s.step = stepWritten
		return true
	}
	if !s.chunked {
		c.w.text("DATA\r\n")
		c.expect(s, PhaseData)
		s.step = stepContent
		return true
	}
	if c.pipeline.undecided() >= c.cfg.Window {
		return false
	}
	if b, ok := c.w.line(); ok {
		b = append(b, "BDAT "...)
		b = strconv.AppendInt(b, s.size, 10)
		c.w.commit(append(b, " LAST\r\n"...))
	}
	c.w.writePlain(s.tx.Content)
	c.wroteEnd(s)
	return true
}

// writeContent queues the content once DATA has been answered. A peer that says 354 although it
// took no recipient gets a lone dot (RFC 2920 3.1).
func (c *Client) writeContent(s *clientSlot) bool {
	switch {
	case s.read[PhaseData] == 0:
		return false
	case !s.granted:
		s.step = stepWritten
		return true
	case s.accepted == 0:
		c.w.text(".\r\n")
	default:
		c.w.writeStuffed(s.tx.Content)
	}
	c.wroteEnd(s)
	c.pipeline.open = false // whatever the reply to the dot, it ends the transaction
	return true
}

// wroteEnd notes that the end of the data is queued.
func (c *Client) wroteEnd(s *clientSlot) {
	if c.w.err == nil && (s.chunked || s.accepted > 0) { // a lone dot is no message
		s.end = c.w.end()
	}
	c.expect(s, PhaseFinal)
	if c.cfg.LMTP {
		c.expectFinals(s)
	}
	c.pipeline.ended = true
	s.step = stepWritten
}
