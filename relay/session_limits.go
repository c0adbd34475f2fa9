package relay

import (
	"net/netip"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/policy/limit"
)

// taken is what a transaction has used up of the limits so far.
type taken struct {
	limiter *limit.Limiter
	who     limit.Who
	domains []string // one for each recipient
}

// limitConnection counts the connection, as far as its client is known before it logs in; leave ends that.
func (s *session) limitConnection() (err error) {
	p := s.relay.policy.Load()
	if p.Harvest != nil {
		if err := p.Harvest.Check(s.info.RemoteAddr.Addr()); err != nil {
			return err
		}
	}
	if p.Limits != nil {
		s.presence, err = p.Limits.Connect(limit.Who{Client: p.counted(s.info.RemoteAddr.Addr()), Tenant: s.intake.Tenant, Listener: s.info.Listener})
	}
	return err
}

// limitLogin counts the connection for a login too.
func (s *session) limitLogin() error {
	c, err := s.credential()
	if err != nil || c == nil || s.presence == nil {
		return err
	}
	who := limit.Who{Credential: c.Name, Own: s.ownLimits(c)}
	if c.Tenant != s.intake.Tenant {
		who.Tenant = c.Tenant
	}
	return s.presence.Join(who)
}

// limitMail uses up one message. A refused one uses up nothing.
func (s *session) limitMail(from string) error {
	p := s.relay.policy.Load()
	if p.Limits == nil {
		return nil
	}
	who := limit.Who{Client: p.counted(s.info.RemoteAddr.Addr()), Tenant: s.intake.Tenant, Sender: from, Listener: s.info.Listener}
	c, err := s.credential()
	if err != nil {
		return err
	}
	if c != nil {
		who.Credential, who.Own = c.Name, s.ownLimits(c)
		if c.Tenant != "" {
			who.Tenant = c.Tenant
		}
	}
	if err := p.Limits.Take(who, limit.Messages, 1); err != nil {
		return err
	}
	s.taken = taken{limiter: p.Limits, who: who, domains: s.taken.domains[:0]}
	return nil
}

// limitRecipient uses up one recipient; those before stay as they were if it is refused.
func (s *session) limitRecipient(to message.Address) error {
	if s.taken.limiter == nil {
		return nil
	}
	who := s.taken.who
	who.Domain = to.Domain
	if err := s.taken.limiter.Take(who, limit.Recipients, 1); err != nil {
		return err
	}
	s.taken.domains = append(s.taken.domains, to.Domain)
	return nil
}

// giveBack ends a transaction that no mail has come of: what it used up is returned to the quotas, which count mail.
// Rates, which bound what we are asked to do, keep it.
func (s *session) giveBack() {
	t := &s.taken
	if t.limiter == nil {
		return
	}
	t.limiter.GiveBack(t.who, limit.Messages, 1)
	for _, domain := range t.domains {
		who := t.who
		who.Domain = domain
		t.limiter.GiveBack(who, limit.Recipients, 1)
	}
	s.spent()
}

// giveBackRecipient does so for the newest recipient, which was refused after all.
func (s *session) giveBackRecipient() {
	t := &s.taken
	if last := len(t.domains) - 1; t.limiter != nil && last >= 0 {
		who := t.who
		who.Domain, t.domains = t.domains[last], t.domains[:last]
		t.limiter.GiveBack(who, limit.Recipients, 1)
	}
}

// spent ends a transaction whose mail is ours.
func (s *session) spent() { s.taken.limiter = nil }

// counted returns the client's address for the limits; none if they do not count it.
func (p *Policy) counted(client netip.Addr) netip.Addr {
	plain := client.Unmap().WithZone("")
	for _, n := range p.Uncounted {
		if n.Contains(plain) {
			return netip.Addr{}
		}
	}
	return client
}

// ownLimits returns those that a credential has itself. They are made ready once for each state of it.
func (s *session) ownLimits(c *auth.Credential) *limit.Own {
	if c.Limits == (auth.Limits{MessageBytes: c.Limits.MessageBytes}) {
		return nil
	}
	if s.ownOf != c {
		own, err := limit.NewOwn(limitsOfCredential(&c.Limits))
		if err != nil { // beyond what the engine counts, so that it is none
			own = nil
		}
		s.own, s.ownOf = own, c
	}
	return s.own
}

func limitsOfCredential(l *auth.Limits) (rules []limit.Rule) {
	add := func(unit limit.Unit, kind limit.Kind, amount int, period time.Duration) {
		if amount > 0 {
			rules = append(rules, limit.Rule{Unit: unit, Kind: kind, Amount: int64(amount), Period: period})
		}
	}
	rates := func(unit limit.Unit, r auth.Rates) {
		add(unit, limit.Rate, r.PerSecond, time.Second)
		add(unit, limit.Rate, r.PerHour, time.Hour)
		add(unit, limit.Quota, r.PerDay, 0)
	}
	rates(limit.Messages, l.Messages)
	rates(limit.Recipients, l.Recipients)
	add(limit.Connections, limit.Concurrent, l.Connections, 0)
	return rules
}

// tarpit counts a recipient that was refused, if that is because there is no such. Who guesses at addresses waits ever
// longer for this reply, and is at last told to go. One who has logged in is known, and has limits.
func (s *session) tarpit(refused error) error {
	h := s.relay.policy.Load().Harvest
	status := s.refusal(refused)
	if h == nil || s.login != nil || status.Code != 550 || status.EnhancedCode != [3]int{5, 1, 1} {
		return refused
	}
	wait, err := h.Unknown(s.info.RemoteAddr.Addr())
	if err != nil {
		return err
	}
	if wait == 0 {
		return refused
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return refused
	case <-s.ctx.Done():
		return errShuttingDown()
	}
}

func errShuttingDown() error { return reply(421, 4, 3, 2, "Shutting down, try again later") }
