package smtp

import (
	"context"
	"fmt"
	"slices"

	"github.com/posthaste-mta/posthaste/message"
)

// Send gives tx to the peer and returns when its end is known or the connection has died.
//
// While there is room in the pipe it calls next for the transaction to come, and puts that in
// flight behind tx; next returns nil when there is none, and may itself be nil. It may be
// called several times in one Send (with CHUNKING), or not at all (a peer without
// PIPELINING). Every transaction that next returned must be the argument of a following Send,
// in that order and also after an error: that Send then returns what is known of it.
func (c *Client) Send(ctx context.Context, tx *Transaction, next func() *Transaction) Result {
	s := c.first(tx)
	if s == nil || !c.greeted {
		return Result{Recipients: make([]message.Status, len(tx.Recipients)), Err: c.die(PhaseMail, ErrMisuse)}
	}
	c.pipeline.asked = false
	c.drain(s) // before ctx is looked at: what has been read is certain
	if !s.done() {
		c.begin(ctx, PhaseMail)
	}
	for c.err == nil && !s.done() {
		c.pump(next)
		c.answer(s)
		c.drain(s)
	}
	return c.finish(s)
}

// first returns the slot of tx, which is the oldest in flight or the only one; nil if it is not.
func (c *Client) first(tx *Transaction) *clientSlot {
	if len(c.pipeline.slots) == 0 {
		if c.err == nil && !c.r.empty() {
			c.unasked()
		}
		return c.add(tx)
	}
	if s := c.pipeline.slots[0]; s.tx == tx {
		return s
	}
	return nil
}

// finish takes s out of the pipe and says what became of it.
func (c *Client) finish(s *clientSlot) Result {
	if c.w.err != nil && len(c.pipeline.slots) == 1 {
		c.die(PhaseWrite, c.reason(c.w.err))
	}
	res := Result{Recipients: s.status, Err: c.err, Sent: c.w.wrote >= s.end, Trace: s.trace}
	if c.cfg.LMTP {
		res.Taken = slices.Clone(s.taken)
	}
	c.pipeline.removeFirst()
	if len(c.pipeline.slots) == 0 {
		c.w.release()
		c.r.release()
	}
	return res
}

// answer reads the next reply for s, if s waits for one.
func (c *Client) answer(s *clientSlot) {
	p := s.awaits()
	switch {
	case p != PhaseIdle:
		if rep, err := c.read(p); err == nil {
			c.apply(s, p, rep)
		}
	case s.done():
	case c.w.err != nil: // what it needs to write cannot be written
		c.die(PhaseWrite, c.reason(c.w.err))
	default:
		c.die(PhaseWrite, ErrMisuse) // or this would go round for ever
	}
}

// drain applies the replies that have been read already.
func (c *Client) drain(s *clientSlot) {
	for c.err == nil && s.awaits() != PhaseIdle {
		p := s.awaits()
		rep, ok, err := c.r.buffered()
		switch {
		case err != nil:
			c.die(p, err)
		case !ok:
			return
		default:
			c.apply(s, p, rep)
		}
	}
}

// apply does what the reply to a command in phase p asks for.
func (c *Client) apply(s *clientSlot, p Phase, rep reply) {
	s.read[p]++
	c.pipeline.unread--
	class := rep.code / 100
	switch {
	case class == 3 && p != PhaseData, class == 2 && p == PhaseData:
		c.die(p, fmt.Errorf("%w: %s answered with %d", ErrProtocol, p, rep.code))
		return
	case p == PhaseReset && class != 2 && rep.code != 421:
		c.die(p, fmt.Errorf("%w: RSET answered with %d", ErrProtocol, rep.code))
		return
	}
	switch p {
	case PhaseMail:
		c.applyMail(s, rep)
	case PhaseRcpt:
		c.applyRcpt(s, rep)
	case PhaseData:
		c.applyData(s, rep)
	case PhaseFinal:
		if c.cfg.LMTP {
			c.applyFinals(s, rep)
		} else {
			c.applyFinal(s, rep)
		}
	}
	if rep.code == 421 { // "closing transmission channel", in answer to anything (RFC 5321 3.8)
		c.die(p, rep.status())
	}
}

func (c *Client) applyMail(s *clientSlot, rep reply) {
	st := c.words.status(wordsMail, rep)
	s.trace.Mail, s.trace.MailAt = st, s.since(c.now)
	if !st.Positive() {
		s.refused = true
		s.refuse(st)
		if !c.pipelining() {
			c.pipeline.open = false // nothing follows that could have opened one
		}
	}
}

func (c *Client) applyRcpt(s *clientSlot, rep reply) {
	i := s.answer
	s.answer = s.skipDecided(i + 1)
	s.trace.RcptAt = s.since(c.now)
	if rep.code/100 != 2 {
		if s.status[i].Code == 0 {
			s.status[i] = afterOthers(rep.status(), s.accepted)
		}
		return
	}
	s.taken[i] = true
	s.accepted++
	if s.accepted == 1 {
		s.trace.Rcpt = c.words.status(wordsRcpt, rep)
	}
}

// afterOthers makes a refusal temporary that only says that the recipient is one too many for this transaction:
// the others are on their way, and it may be the first of the next. RFC 3463 3.6 (X.5.3) and RFC 5321 4.5.3.1.10, which
// tells of peers with 552 where 452 is meant; those take a hundred before.
func afterOthers(st message.Status, accepted int) message.Status {
	tooMany := st.Enhanced == message.EnhancedCode{5, 5, 3} && accepted > 0
	if tooMany || st.Code == 552 && st.Enhanced == (message.EnhancedCode{}) && accepted >= 100 {
		st.Code, st.Enhanced = 452, message.EnhancedCode{4, 5, 3}
	}
	return st
}

func (c *Client) applyData(s *clientSlot, rep reply) {
	st := c.words.status(wordsData, rep)
	s.trace.Data, s.trace.DataAt = st, s.since(c.now)
	if rep.code/100 != 3 {
		s.conclude(st)
		return
	}
	if s.refused && s.accepted > 0 { // even a lone dot would deliver something
		c.die(PhaseData, fmt.Errorf("%w: MAIL was refused, yet DATA is granted", ErrProtocol))
		return
	}
	if c.cfg.LMTP && s.accepted == 0 { // it must not (RFC 2033 4.2), and nobody knows how many replies would follow
		c.die(PhaseData, fmt.Errorf("%w: DATA is granted without a recipient", ErrProtocol))
		return
	}
	s.granted = true
}

func (c *Client) applyFinal(s *clientSlot, rep reply) {
	st := rep.status()
	s.trace.Final, s.trace.FinalAt = st, s.since(c.now)
	if !c.credible(s, st) {
		return
	}
	s.conclude(st)
	if st.Positive() && s == c.pipeline.newest() {
		c.pipeline.open = false
	}
}

// credible closes the connection over a reply to the end of the data that cannot be one.
func (c *Client) credible(s *clientSlot, st message.Status) bool {
	if st.Positive() && s.accepted > 0 && c.w.wrote < s.end {
		c.die(PhaseFinal, fmt.Errorf("%w: end of data answered before it was sent", ErrProtocol))
		return false
	}
	if s.chunked && s.accepted > 0 && !s.refused && (st.Code == 500 || st.Code == 502) {
		s.end = notSent
		c.die(PhaseFinal, ErrChunking)
		return false
	}
	return true
}

// unasked deals with bytes that arrived although nothing was asked: a peer's goodbye, or a reply
// too many, after which no reply could be told from another's.
func (c *Client) unasked() error {
	rep, ok, err := c.r.buffered()
	switch {
	case err != nil:
		return c.die(PhaseIdle, err)
	case ok && rep.code >= 400:
		return c.die(PhaseIdle, rep.status())
	}
	return c.die(PhaseIdle, fmt.Errorf("%w: a reply that nobody asked for", ErrProtocol))
}
