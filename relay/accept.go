package relay

import (
	"context"
	"crypto/tls"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// stamp makes of a message what goes into the queue: its envelope, and its content with the fields that we add.
//
// The login is asked for here and for the last time, after all that takes long.
func (m *incoming) stamp() error {
	s, r := m.session, m.relay
	login, err := m.credential()
	if err != nil {
		return err
	}
	s.recipients = distinct(s.recipients)
	env := new(message.Envelope) // alone: the queue keeps it longer than the rest of m
	*env, m.envelope = s.envelope, env
	env.ID = r.queue.NewID()
	env.ArrivedAt = r.queue.Now()
	env.MessageID = string(m.header.MessageID)
	if env.Body == message.Body7Bit && (m.header.Has8Bit || message.Has8Bit(m.body[m.header.End:])) {
		env.Body = message.Body8Bit // not declared (RFC 6152 3); nobody need look again
	}
	env.Origin = message.Origin{
		Listener: s.info.Listener, Protocol: s.info.Protocol(), HELO: s.info.HELO,
		Client: s.info.RemoteAddr.Addr(), SessionID: s.info.SessionID,
	}
	m.stampLogin(login)
	body := m.body
	// Return-Path is the final host's to write (RFC 5321 4.4); one from an author is a forgery or a mistake.
	if s.intake.Submission && (m.header.Bcc || m.header.ReturnPath) {
		body = message.RemoveFields(body, "Bcc", "Resent-Bcc", "Return-Path")
	}
	content := make([]byte, 0, traceRoom+m.signRoom()+len(m.fields)+len(body))
	content = m.appendTrace(content)
	content = append(content, m.fields...)
	content = m.appendMissing(content)
	if m.header.BodyOnly {
		content = append(content, "\r\n"...) // else the body's first line would become a field of ours
	}
	m.content = append(content, body...)
	return nil
}

// put has the queue take the message. After it returns nil the message is on stable storage and ours to deliver.
func (m *incoming) put() error {
	took := time.Since(m.begun)
	m.envelope.Size = int64(len(m.content))
	if _, err := m.relay.queue.Put(context.Background(), m.envelope, m.recipients, m.content); err != nil {
		return err
	}
	m.accepted(took)
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
		HELO: info.HELO, Client: info.RemoteAddr.Addr(), By: m.relay.cfg.Hostname,
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
	if !m.intake.Submission {
		return b
	}
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
	env, info := m.envelope, m.info
	first := m.recipients[0]
	event := [1]Event{{
		Type: EventAccepted, ID: env.ID, Sender: env.Sender,
		Recipient: first.Address, Recipients: len(m.recipients), Domain: first.Domain,
		Tenant: env.Tenant, Class: env.Class, Size: env.Size,
		PeerAddr: info.RemoteAddr, HELO: info.HELO, Timestamp: time.Now(), Created: env.ArrivedAt,
		Reception: env.Origin.Protocol, SessionID: env.Origin.SessionID, MessageID: env.MessageID,
		Listener: env.Origin.Listener, AuthName: env.Origin.AuthName, Delays: Delays{BeforeQueue: took}, DKIM: m.signed,
	}}
	if t := info.TLS; t != nil {
		event[0].TLSVersion, event[0].TLSCipher = tls.VersionName(t.Version), tls.CipherSuiteName(t.CipherSuite)
	}
	// The message is safe whatever becomes of the log; its end is what must not go untold.
	if err := m.relay.events.Append(event[:]); err != nil {
		m.relay.metrics.eventsLost.Add(1)
	}
}
