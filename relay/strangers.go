package relay

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/greylist"
	"github.com/posthaste-mta/posthaste/policy/inbound"
)

// Inbound is how mail from strangers is looked at: from clients that may send to our local and relay domains alone.
// Whoever may send anywhere is spared it, since what it brings is ours to answer for.
type Inbound struct {
	// Checker asks who they are and what their domains say; nil: nobody.
	Checker *inbound.Checker
	// Greylist has unknown clients come again; nil: none.
	Greylist *greylist.Greylist
	// Allow are networks that are not looked at; Deny, of the others, those that are not served.
	Allow, Deny []netip.Prefix
	// SPFPasses tells that whoever SPF names need not come again.
	SPFPasses bool
}

// examined is what is known of a stranger.
type examined struct {
	client *pending[inbound.Client] // of the connection
	name   string                   // of the client, confirmed by its address, once client has been waited for
	// These are of the transaction.
	sender    *inbound.Sender
	spf       *pending[inbound.SPF]
	operators int // recipients that are our own postmaster
}

// inbound returns how the client is looked at; nil if it is not.
func (s *session) inbound() *Inbound {
	p, addr := s.relay.policy.Load(), s.info.RemoteAddr.Addr()
	if p.Inbound == nil || !s.intake.Strangers || s.login != nil || p.Access.Trusted(addr) || within(p.Inbound.Allow, addr) {
		return nil
	}
	return p.Inbound
}

// checkDenied refuses clients that are not served.
func (s *session) checkDenied() error {
	if in := s.inbound(); in != nil && within(in.Deny, s.info.RemoteAddr.Addr()) {
		return reply(554, 5, 7, 1, "Your address is not served here")
	}
	return nil
}

// within tells whether the address is in one of the networks.
func within(networks []netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// checker returns what asks about the client; nil if nothing does.
func (s *session) checker() *inbound.Checker {
	if in := s.inbound(); in != nil {
		return in.Checker
	}
	return nil
}

// lookAtClient begins to ask about the client's address. The greeting does not wait for it, the first recipient does.
func (s *session) lookAtClient() {
	c, addr := s.checker(), s.info.RemoteAddr.Addr()
	if c == nil {
		return
	}
	if client, ok := c.KnownClient(addr); ok {
		s.stranger.client = knew(client)
	} else {
		s.stranger.client = lookFor(s.ctx, func(ctx context.Context) inbound.Client { return c.Client(ctx, addr) })
	}
}

// lookAtSender decides whether the return path's domain may be one, and begins to ask whether it lets the client send.
func (s *session) lookAtSender(from message.Address) error {
	c := s.checker()
	if c == nil {
		return nil
	}
	in := inbound.Session{Addr: s.info.RemoteAddr.Addr(), HELO: s.info.HELO}
	if from.Domain != "" {
		in.MailFrom = from.String()
	}
	if spf, ok := c.KnownSPF(in); ok {
		s.stranger.spf = knew(spf)
	} else {
		s.stranger.spf = lookFor(s.ctx, func(ctx context.Context) inbound.SPF { return c.SPF(ctx, in) })
	}
	sender := c.Sender(s.ctx, in.MailFrom)
	s.stranger.sender = &sender
	return s.turnedAway(c.DecideSender(sender))
}

// checkStranger decides about a recipient by what is known of the client: here and not at the connection, so that the
// event log tells whose mail it was. The greylist is the last: whoever fails anything else need not come again.
func (s *session) checkStranger(to message.Address) error {
	in := s.inbound()
	if in == nil {
		return nil
	}
	if client := s.clientFound(); client != nil && in.Checker != nil {
		if err := s.turnedAway(in.Checker.DecideClient(*client)); err != nil {
			return err
		}
	}
	return s.checkGreylist(in, to)
}

// turnedAway is the reply of a decision that ends in the session; nil of the others.
func (s *session) turnedAway(d inbound.Decision) error {
	if d.Action < inbound.ActionDefer {
		return nil
	}
	s.relay.metrics.inbound.acted(d.Action)
	return d.Status
}

// checkGreylist has the client come again with a recipient, if it is new.
func (s *session) checkGreylist(in *Inbound, to message.Address) error {
	if in.Greylist == nil {
		return nil
	}
	a := greylist.Attempt{Client: s.info.RemoteAddr.Addr(), Sender: s.envelope.Sender, Recipient: to}
	if spf := s.stranger.spf; in.SPFPasses && spf != nil {
		a.SPFPass = spf.wait().Value == inbound.Pass
	}
	d, err := in.Greylist.Check(s.ctx, a)
	if err != nil {
		s.relay.log.Error("the greylist does not work; mail passes", zap.Error(err))
	}
	if !d.Pass {
		return d.Status()
	}
	return nil
}

// forget ends what is asked for the transaction.
func (e *examined) forget() {
	e.spf.stop()
	e.sender, e.spf, e.operators = nil, nil, 0
}

// clientFound waits for what is known of the client's address; nil if nobody has asked.
func (s *session) clientFound() *inbound.Client {
	c := s.stranger.client.wait()
	if c != nil {
		s.stranger.name = c.Reverse.Name
	}
	return c
}

// inspect checks a stranger's message, as it came in, and puts what was found in front of it.
func (m *incoming) inspect() error {
	c := m.checker()
	if c == nil {
		return nil
	}
	in := inbound.Session{
		Addr: m.info.RemoteAddr.Addr(), HELO: m.info.HELO,
		Client: m.clientFound(), Sender: m.stranger.sender, SPF: m.stranger.spf.wait(),
	}
	if from, err := message.ParseAddress(m.session.envelope.Sender, true); err == nil {
		in.MailFrom = from.String()
	}
	found := c.Check(m.ctx, in, m.body)
	d := c.Decide(found)
	if m.stranger.operators == len(m.recipients)+len(m.suppressed) && d.Action > inbound.ActionTag {
		// Our postmaster hears everyone (RFC 5321 4.5.1).
		d.Action = inbound.ActionTag
	}
	m.found = tellFound(&found, &d)
	m.relay.metrics.inbound.found(&found, d.Action)
	switch d.Action {
	case inbound.ActionDefer, inbound.ActionRefuse:
		return d.Status
	case inbound.ActionHold:
		m.hold("Held for " + strings.Join(d.Tags, ", "))
	}
	if clean := c.Clean(m.body); len(clean) != len(m.body) {
		m.replace(clean)
	}
	m.fields = append(m.fields, c.Header(found, d)...)
	return nil
}

// tellFound names the results, as the event log does.
func tellFound(r *inbound.Results, d *inbound.Decision) string {
	told := "spf=" + string(r.SPF.Value) + " dkim=" + string(r.DKIM.Value()) + " dmarc=" + r.DMARC.Value.String() +
		" iprev=" + string(r.Client.Reverse.Value)
	if len(d.Tags) > 0 {
		told += "; " + d.Action.String() + ": " + strings.Join(d.Tags, ", ")
	}
	return told
}
