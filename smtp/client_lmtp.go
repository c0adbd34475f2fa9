package smtp

import (
	"fmt"
	"slices"
)

// This file is what LMTP (RFC 2033) has of its own.

// helloLMTP says LHLO. A host that does not know it is none for LMTP: somebody has made a mistake, which must not bounce
// mail, so whatever a host says to LHLO but 2yz and 4yz breaks the protocol.
func (c *Client) helloLMTP() error {
	rep, err := c.command(PhaseEHLO, "LHLO "+c.cfg.Hostname+"\r\n")
	switch {
	case err != nil:
		return err
	case rep.code/100 == 4:
		return c.refusal(PhaseEHLO, rep.status())
	case rep.code/100 != 2:
		return c.die(PhaseEHLO, fmt.Errorf("%w: LHLO answered with %s", ErrProtocol, rep.status()))
	}
	c.offered(parseExtensions(rep))
	return nil
}

// severalReplies tells that the end of the data of a message in flight has more than one reply. Nothing goes behind
// that: a host that answers only once for all, as with an error it may, would make us take the replies to the next
// message for those to this one. As it is we wait in vain, and try again.
func (p *clientPipeline) severalReplies() bool {
	return slices.ContainsFunc(p.slots, func(s *clientSlot) bool { return len(s.status) > 1 })
}

// expectFinals is told that the end of the data is queued, for whose reply there is room already: in LMTP there is one
// for each recipient that is taken (RFC 2033 4.2). With BDAT it is not known yet which are: all that were named.
func (c *Client) expectFinals(s *clientSlot) {
	n := s.accepted
	if s.chunked {
		n = s.wrote[PhaseRcpt]
	}
	c.countFinals(s, n)
}

// countFinals sets how many replies to the end of the data there will be: without a recipient it is the refusal alone.
func (c *Client) countFinals(s *clientSlot, n int) {
	more := max(n, 1) - s.wrote[PhaseFinal]
	s.wrote[PhaseFinal] += more
	c.pipeline.unread += more
}

// applyFinals takes one reply to the end of the data, which is for the next recipient that was taken.
func (c *Client) applyFinals(s *clientSlot, rep reply) {
	st := rep.status()
	if first := s.read[PhaseFinal] == 1; first {
		c.countFinals(s, s.accepted) // by now each RCPT has been answered
		if s.trace.Final, s.trace.FinalAt = st, s.since(c.now); !c.credible(s, st) {
			return
		}
	} else if s.trace.FinalAt = s.since(c.now); s.trace.Final.Positive() {
		s.trace.Final = st
	}
	if st.Positive() && s == c.pipeline.newest() {
		c.pipeline.open = false
	}
	if rep.code == 421 { // it is the last of them
		s.conclude(st)
		return
	}
	for s.final < len(s.taken) && !s.taken[s.final] {
		s.final++
	}
	if s.final < len(s.taken) && s.status[s.final].Code == 0 {
		s.status[s.final] = st
	}
	s.final++
}
