package relay

import (
	"crypto/tls"
	"strings"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/milter"
)

// scan has the listener's filters look at the message, in order, and does what they want.
func (m *incoming) scan() error {
	chain := m.relay.policy.Load().Milters[m.info.Listener]
	if len(chain) == 0 || len(m.recipients) == 0 {
		return nil
	}
	// There is a copy to show, and one that a filter may put in its place.
	copies := 2 * int64(len(m.fields)+len(m.body))
	if !m.intake.Memory.Reserve(copies) {
		return reply(452, 4, 3, 1, "Out of memory for messages, try again later")
	}
	defer m.intake.Memory.Release(copies)
	shown := milter.Message{
		Session: m.milterSession(), QueueID: m.envelope.ID.String(),
		Sender: m.envelope.Sender, UTF8: m.envelope.UTF8,
		Content: m.appendBody(make([]byte, 0, len(m.fields)+len("\r\n")+len(m.body))),
	}
	for _, rcpt := range m.recipients {
		shown.Recipients = append(shown.Recipients, rcpt.Address)
	}
	v := chain.Scan(m.ctx, shown)
	m.relay.tellFilters(v.Err)
	switch v.Action {
	case milter.ActionReject, milter.ActionTempfail:
		return v.Status
	case milter.ActionDiscard:
		m.drop(v.Scanner, func(message.Recipient) bool { return true })
		return nil
	case milter.ActionHold:
		m.hold("Held by " + v.Scanner + ": " + v.Reason)
	}
	return m.applyChanges(&v)
}

// tellFilters logs when filters begin to fail and when they work again; of each message the metrics tell.
func (r *Relay) tellFilters(err error) {
	switch was := r.filtersFail.Swap(err != nil); {
	case err != nil && !was:
		r.log.Warn("a filter does not decide", zap.Error(err))
	case err == nil && was:
		r.log.Info("filters decide again")
	}
}

// applyChanges makes the message what the filters want it to be.
func (m *incoming) applyChanges(v *milter.Verdict) error {
	if v.Content != nil {
		m.fields = nil
		m.replace(v.Content)
	}
	if v.SenderChanged {
		m.envelope.Sender = v.Sender
	}
	if len(v.Removed) > 0 {
		gone := make(map[string]bool, len(v.Removed))
		for _, address := range v.Removed {
			gone[address] = true
		}
		m.drop(v.Scanner, func(rcpt message.Recipient) bool { return gone[rcpt.Address] })
	}
	for _, added := range v.Added {
		address, err := message.ParseAddress(added, m.envelope.UTF8)
		if err != nil {
			return err
		}
		// Nobody asked for reports about this one (RFC 3461 4.1).
		m.session.recipients = append(m.session.recipients, message.Recipient{Address: added, Domain: address.Domain, Notify: message.NotifyNever})
	}
	return nil
}

// hold has the message wait for an operator once it is accepted.
func (m *incoming) hold(reason string) {
	if !m.held {
		m.held, m.reason = true, reason
	}
}

// drop takes recipients out. They were accepted as such, and end as dropped when the message becomes ours.
func (m *incoming) drop(filter string, which func(message.Recipient) bool) {
	kept := make([]message.Recipient, 0, len(m.recipients))
	for _, rcpt := range m.recipients {
		if which(rcpt) {
			m.dropped = append(m.dropped, rcpt)
			continue
		}
		kept = append(kept, rcpt)
	}
	m.session.recipients = kept
	if m.droppedBy = filter; filter == "" { // of several that took some out, nobody knows which
		m.droppedBy = "a filter"
	}
}

// milterSession is what filters are told of the client.
func (m *incoming) milterSession() milter.Session {
	s := milter.Session{
		Listener: m.info.Listener, ClientAddr: m.info.RemoteAddr, LocalAddr: m.info.LocalAddr,
		ClientName: m.stranger.name, HELO: m.info.HELO,
	}
	if t := m.info.TLS; t != nil {
		s.TLSVersion = strings.Replace(tls.VersionName(t.Version), "TLS ", "TLSv", 1) // as OpenSSL has it
		s.TLSCipher = tls.CipherSuiteName(t.CipherSuite)
		s.TLSBits = cipherBits(s.TLSCipher)
	}
	if login, err := m.credential(); err == nil && login != nil { // stamp tells of an error
		s.AuthName, s.AuthType = login.Name, m.sasl
	}
	return s
}

// cipherBits is the length of a cipher suite's key; 0 if its name does not tell.
func cipherBits(suite string) int {
	switch {
	case strings.Contains(suite, "_AES_256_"), strings.Contains(suite, "_CHACHA20_"):
		return 256
	case strings.Contains(suite, "_AES_128_"), strings.Contains(suite, "_RC4_128_"):
		return 128
	case strings.Contains(suite, "_3DES_"):
		return 168
	}
	return 0
}
