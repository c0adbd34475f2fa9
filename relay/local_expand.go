package relay

import (
	"slices"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/address"
)

// aliasField names the alias that a message went through, as with Postfix. Delivered-To would have the mailbox of the
// same name, to which an alias may lead, refuse the message.
const aliasField = "X-Original-To"

// passAlias notes in the message which alias it goes through, and refuses one that has been there: somebody whom the alias
// leads to elsewhere has sent it back. Only where one recipient was named: others must not learn who else was, and what
// comes back comes for one.
func (m *incoming) passAlias() error {
	if len(m.recipients) != 1 {
		return nil
	}
	rcpt := &m.recipients[0]
	targets := m.relay.policy.Load().Local.behind(rcpt)
	if targets == nil {
		return nil
	}
	if slices.ContainsFunc(targets, func(t address.Target) bool { return t.Account == "" }) {
		to, err := message.ParseAddress(rcpt.Address, true)
		if err == nil && slices.Contains(passedThrough(m.body, aliasField), address.Name(to)) {
			return reply(554, 5, 4, 6, "Mail loop: the message has been sent to "+rcpt.Address+" before")
		}
	}
	m.fields = append([]byte(aliasField+": "+rcpt.Address+"\r\n"), m.fields...)
	return nil
}

// expand puts in the place of aliases what is behind them now. From here on each recipient is a mailbox or an address
// elsewhere: what is queued does not depend on later changes of the aliases, and its events and reports tell who it was
// for in the end.
func (m *incoming) expand() error {
	local := m.relay.policy.Load().Local
	if !local.servesAny(m.recipients) {
		return nil
	}
	named := m.recipients
	m.session.recipients = make([]message.Recipient, 0, len(named))
	seen := make(map[string]bool, len(named))
	behind := make([][]address.Target, len(named))
	for i := range named { // whoever is named is not once more behind an alias
		if behind[i] = local.behind(&named[i]); behind[i] == nil {
			m.session.recipients = append(m.session.recipients, named[i])
			seen[local.mailboxOf(&named[i])] = true
		}
	}
	for i := range named {
		if len(behind[i]) > 1 && named[i].Notify&message.NotifySuccess != 0 {
			m.expanded = append(m.expanded, named[i])
		}
		for _, t := range behind[i] {
			to := redirected(&named[i], t, len(behind[i]))
			if name := local.mailboxOf(&to); !seen[name] {
				seen[name] = true
				if err := m.add(to, t); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// add adds a recipient that is behind an alias, unless it is elsewhere and gets no mail from us.
func (m *incoming) add(to message.Recipient, target address.Target) error {
	if list := m.relay.policy.Load().Suppression; list != nil && target.Account == "" {
		entry, found, err := list.Lookup(m.envelope.Tenant, target.Address)
		if err != nil {
			return err
		}
		if found {
			m.session.suppressed = append(m.session.suppressed, suppressed{to, entry})
			return nil
		}
	}
	m.session.recipients = append(m.session.recipients, to)
	return nil
}

// servesAny tells whether the mail of one of the recipients stays here, or seems to before aliases are looked at.
func (l *Local) servesAny(rcpts []message.Recipient) bool {
	for i := range rcpts {
		if l.serves(rcpts[i].Domain) {
			return true
		}
	}
	return false
}

// behind returns what a recipient stands for; nil if that is itself, or if nobody knows it any more.
func (l *Local) behind(rcpt *message.Recipient) []address.Target {
	if !l.serves(rcpt.Domain) {
		return nil
	}
	to, err := message.ParseAddress(rcpt.Address, true)
	if err != nil {
		return nil
	}
	targets, _ := l.Addresses.Resolve(to, l.Mailboxes.Has)
	if len(targets) == 1 && targets[0].Address == to {
		return nil
	}
	return targets
}

// mailboxOf names where the mail of a recipient ends, as far as that is known here: two that have the same name are
// one.
func (l *Local) mailboxOf(rcpt *message.Recipient) string {
	if l.serves(rcpt.Domain) {
		if to, err := message.ParseAddress(rcpt.Address, true); err == nil {
			if account, ok := l.Addresses.Account(to, l.Mailboxes.Has); ok {
				return account
			}
			return address.Name(to)
		}
	}
	return rcpt.Address[:strings.LastIndexByte(rcpt.Address, '@')+1] + rcpt.Domain // elsewhere case may count
}

// redirected is the recipient that one of so many targets makes of a recipient. What the sender wants to be told goes
// along, and to whom he wrote; only the success of one of several is not to be told as that of all (RFC 3461 5.2.7).
func redirected(rcpt *message.Recipient, to address.Target, targets int) message.Recipient {
	r := *rcpt
	r.Address, r.Domain = to.Address.String(), to.Address.Domain
	if r.OriginalType == "" {
		r.OriginalType, r.Original = "rfc822", rcpt.Address
		if message.Has8Bit([]byte(rcpt.Address)) {
			r.OriginalType = "utf-8"
		}
	}
	if targets > 1 && r.Notify&message.NotifySuccess != 0 {
		if r.Notify &^= message.NotifySuccess; r.Notify == 0 {
			r.Notify = message.NotifyNever // 0 would ask for failures
		}
	}
	return r
}

// reportTo returns the recipients of a report to addr, which may be an alias of ours.
func (p *Policy) reportTo(addr string) []message.Recipient {
	to := message.Recipient{Address: addr, Domain: message.DomainOf(addr), Notify: message.NotifyNever}
	targets := p.Local.behind(&to)
	if targets == nil {
		return []message.Recipient{to}
	}
	rcpts := make([]message.Recipient, 0, len(targets))
	for _, t := range targets {
		rcpts = append(rcpts, redirected(&to, t, len(targets)))
	}
	return rcpts
}
