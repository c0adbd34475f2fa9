package relay

import (
	"context"
	"crypto/tls"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// prepare begins the envelope, and completes what an author's program has sent: filters are to see it as it will be.
func (m *incoming) prepare() {
	s, r := m.session, m.relay
	s.recipients = distinct(s.recipients)
	env := new(message.Envelope) // alone: the queue keeps it longer than the rest of m
	*env, m.envelope = s.envelope, env
	env.ID = r.queue.NewID()
	env.ArrivedAt = r.queue.Now()
	if !s.intake.Submission {
		return
	}
	m.fields = m.appendMissing(m.fields)
	// Return-Path is the final host's to write (RFC 5321 4.4); one from an author is a forgery or a mistake.
	if m.header.Bcc || m.header.ReturnPath {
		m.replace(message.RemoveFields(m.body, "Bcc", "Resent-Bcc", "Return-Path"))
	}
}

// replace changes the body.
func (m *incoming) replace(body []byte) {
	m.body, m.header = body, message.SummariseHeader(body)
}

// stamp completes what goes into the queue: the envelope, and the content with the fields that we add.
//
// The login is asked for here and for the last time, after all that takes long.
func (m *incoming) stamp() error {
	s, env := m.session, m.envelope
	login, err := m.credential()
	if err != nil {
		return err
	}
	if m.header.MessageID != nil {
		env.MessageID = string(m.header.MessageID)
	}
	if env.Body == message.Body7Bit && (m.header.Has8Bit || message.Has8Bit(m.body[m.header.End:])) {
		env.Body = message.Body8Bit // not declared (RFC 6152 3); nobody need look again
	}
	env.Origin = message.Origin{
		Listener: s.info.Listener, Protocol: s.info.Protocol(), HELO: s.info.HELO,
		Client: s.info.RemoteAddr.Addr(), SessionID: s.info.SessionID,
	}
	m.stampLogin(login)
	content := make([]byte, 0, traceRoom+m.signRoom()+len(m.fields)+len(m.body))
	m.content = m.appendBody(m.appendTrace(content))
	return nil
}

// appendBody writes the fields that go in front of the body, and the body.
func (m *incoming) appendBody(b []byte) []byte {
	b = append(b, m.fields...)
	if m.header.BodyOnly {
		b = append(b, "\r\n"...) // else the body's first line would become a field of ours
	}
	return append(b, m.body...)
}

// put has the queue take the message. After it returns nil the message is on stable storage and ours to deliver.
func (m *incoming) put() error {
	took := time.Since(m.begun)
	m.envelope.Size = int64(len(m.content))
	if m.held || len(m.suppressed)+len(m.dropped) > 0 {
		if err := m.putEnded(took); err != nil {
			return err
		}
		m.tellExpanded()
		return nil
	}
	if _, err := m.relay.queue.Put(context.Background(), m.envelope, m.recipients, m.content); err != nil {
		return err
	}
	m.accepted(took)
	m.tellExpanded()
	return nil
}

// distinct returns the recipients without those that were named before, with the same parameters: whoever is
// named twice gets the message once. Only the domain is compared without case (RFC 5321 2.4).
func distinct(rcpts []message.Recipient) []message.Recipient {
	if len(rcpts) < 2 {
		return rcpts
	}
	seen := make(map[message.Recipient]struct{}, len(rcpts))
	kept := rcpts[:0]
	for _, rcpt := range rcpts {
		key := rcpt
		key.Address = rcpt.Address[:strings.LastIndexByte(rcpt.Address, '@')] // its domain is in Domain
		if _, had := seen[key]; !had {
			seen[key] = struct{}{}
			kept = append(kept, rcpt)
		}
	}
	return kept
}

// traceRoom is what the fields that we add usually need, in bytes.
const traceRoom = 512

// appendTrace writes our trace field (RFC 5321 4.4).
func (m *incoming) appendTrace(b []byte) []byte {
	env, info := m.envelope, m.info
	trace := message.Received{
		HELO: info.HELO, Client: info.RemoteAddr.Addr(), Reverse: m.stranger.name, By: m.relay.cfg.Hostname,
		With: env.Origin.Protocol, ID: env.ID.String(), Time: env.ArrivedAt,
	}
	if len(m.recipients) == 1 {
		trace.For = m.recipients[0].Address
	}
	if t := info.TLS; t != nil {
		trace.TLS = tls.VersionName(t.Version) + " " + tls.CipherSuiteName(t.CipherSuite)
	}
	return message.AppendReceived(b, trace)
}

// appendMissing writes, for a submission, what the author's program left out (RFC 6409 8.2, 8.3).
func (m *incoming) appendMissing(b []byte) []byte {
	env := m.envelope
	if !m.header.Date {
		b = append(b, "Date: "...)
		b = append(message.AppendDate(b, env.ArrivedAt), "\r\n"...)
	}
	if m.header.MessageID == nil {
		env.MessageID = env.ID.String() + "@" + m.relay.cfg.Hostname
		b = append(b, "Message-ID: <"...)
		b = append(append(b, env.MessageID...), ">\r\n"...)
	}
	return b
}

// accepted tells the event log of a message that is now ours, after the client took so long over it.
func (m *incoming) accepted(took time.Duration) {
	event := [1]Event{m.acceptedEvent(took)}
	// The message is safe whatever becomes of the log; its end is what must not go untold.
	if err := m.relay.events.Append(event[:]); err != nil {
		m.relay.metrics.eventsLost.Add(1)
	}
}

func (m *incoming) acceptedEvent(took time.Duration) Event {
	env, info := m.envelope, m.info
	first := m.first()
	event := Event{
		Type: EventAccepted, ID: env.ID, Sender: env.Sender,
		Recipient: first.Address, Recipients: len(m.recipients) + len(m.suppressed) + len(m.dropped), Domain: first.Domain,
		Tenant: env.Tenant, Class: env.Class, Size: env.Size,
		PeerName: m.stranger.name, PeerAddr: info.RemoteAddr, HELO: info.HELO, Timestamp: time.Now(), Created: env.ArrivedAt,
		Reception: env.Origin.Protocol, SessionID: env.Origin.SessionID, MessageID: env.MessageID,
		Listener: env.Origin.Listener, AuthName: env.Origin.AuthName, Delays: Delays{BeforeQueue: took}, Checks: m.found, DKIM: m.signed,
	}
	if t := info.TLS; t != nil {
		event.TLSVersion, event.TLSCipher = tls.VersionName(t.Version), tls.CipherSuiteName(t.CipherSuite)
	}
	return event
}

// first returns the message's first recipient, of those that get it if there is one.
func (m *incoming) first() message.Recipient {
	switch {
	case len(m.recipients) > 0:
		return m.recipients[0]
	case len(m.dropped) > 0:
		return m.dropped[0]
	}
	return m.suppressed[0].Recipient
}
