package relay

import (
	"strings"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/message"
)

// Rcpt implements gosmtp.Session.
func (s *session) Rcpt(to string, opts *gosmtp.RcptOptions) error {
	s.command = "RCPT TO"
	to, operator := s.relay.postmaster(to)
	address, err := message.ParseAddress(to, s.envelope.UTF8)
	if err != nil {
		return s.reject(s.envelope.Sender, to, reply(553, 5, 1, 3, "Recipient address: "+reason(err)))
	}
	if err := s.checkRecipient(address, operator); err != nil {
		return s.reject(s.envelope.Sender, to, s.tarpit(err))
	}
	if !operator {
		entry, found, err := s.checkSuppressed(address)
		if err != nil {
			return s.reject(s.envelope.Sender, to, err)
		}
		if found {
			s.suppressed = append(s.suppressed, suppressed{recipientOf(to, address, opts), entry})
			return nil
		}
	}
	if err := s.limitRecipient(address); err != nil {
		return s.reject(s.envelope.Sender, to, err)
	}
	if operator {
		s.stranger.operators++
	} else if err := s.checkStranger(address); err != nil {
		s.giveBackRecipient()
		return s.reject(s.envelope.Sender, to, err)
	}
	s.recipients = append(s.recipients, recipientOf(to, address, opts))
	return nil
}

// checkRecipient decides about RCPT. operator tells that this is mail for whoever looks after this host, which is
// taken from everyone.
func (s *session) checkRecipient(to message.Address, operator bool) error {
	p := s.relay.policy.Load()
	login, err := s.credential()
	switch {
	case err != nil:
		return err
	case operator:
		return nil
	case p.Local.serves(to.Domain):
		return s.checkLocal(p.Local, to)
	case login == nil && !p.Access.MayRelay(s.info.RemoteAddr.Addr(), to):
		return reply(550, 5, 7, 1, "Relay access denied")
	case p.Access.Unknown(to):
		return reply(550, 5, 1, 1, "No such recipient here")
	}
	return nil
}

// recipientOf is what the client said of a recipient.
func recipientOf(to string, address message.Address, opts *gosmtp.RcptOptions) message.Recipient {
	rcpt := message.Recipient{Address: to, Domain: address.Domain}
	for _, n := range opts.Notify {
		switch n {
		case gosmtp.DSNNotifyNever:
			rcpt.Notify |= message.NotifyNever
		case gosmtp.DSNNotifySuccess:
			rcpt.Notify |= message.NotifySuccess
		case gosmtp.DSNNotifyFailure:
			rcpt.Notify |= message.NotifyFailure
		case gosmtp.DSNNotifyDelayed:
			rcpt.Notify |= message.NotifyDelay
		}
	}
	if opts.OriginalRecipient != "" {
		rcpt.OriginalType, rcpt.Original = string(opts.OriginalRecipientType), opts.OriginalRecipient
	}
	return rcpt
}

// postmaster returns the address that mail to an address goes to, which is another where that is our postmaster's
// (RFC 5321 4.5.1). operator tells that it is known who that is.
func (r *Relay) postmaster(to string) (address string, operator bool) {
	local, domain, _ := strings.Cut(to, "@")
	if !strings.EqualFold(local, "postmaster") || domain != "" && !strings.EqualFold(domain, r.cfg.Hostname) {
		return to, false
	}
	if p := r.policy.Load(); p.Postmaster != "" {
		return p.Postmaster, true
	}
	return "postmaster@" + r.cfg.Hostname, false
}
