package relay

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// accept makes a message of what a session has gathered and puts it into the queue. After it returns nil the
// message is on stable storage and ours to deliver.
func (r *Relay) accept(s *session, body []byte) (message.ID, error) {
	header := message.SummariseHeader(body)
	if header.Received >= r.policy.Load().MaxReceived {
		return 0, reply(554, 5, 4, 6, fmt.Sprintf("Mail loop: %d Received fields", header.Received))
	}
	s.recipients = distinct(s.recipients)
	now, took := r.queue.Now(), time.Since(s.begun)
	env := s.envelope
	env.ID = r.queue.NewID()
	env.ArrivedAt = now
	env.MessageID = string(header.MessageID)
	if env.Body == message.Body7Bit && (header.Has8Bit || message.Has8Bit(body[header.End:])) {
		env.Body = message.Body8Bit // not declared (RFC 6152 3); nobody need look again
	}
	env.Tenant, env.Class = s.intake.Tenant, s.intake.Class
	env.Origin = message.Origin{
		Listener: s.info.Listener, Protocol: s.info.Protocol(), HELO: s.info.HELO,
		Client: s.info.RemoteAddr.Addr(), SessionID: s.info.SessionID,
	}
	// Return-Path is the final host's to write (RFC 5321 4.4); one from an author is a forgery or a mistake.
	if s.intake.Submission && (header.Bcc || header.ReturnPath) {
		body = message.RemoveFields(body, "Bcc", "Resent-Bcc", "Return-Path")
	}
	content := make([]byte, 0, traceRoom+len(body))
	content = r.appendTrace(content, s, &env, &header, now)
	if header.BodyOnly {
		content = append(content, "\r\n"...) // else the body's first line would become a field of ours
	}
	content = append(content, body...)
	env.Size = int64(len(content))

	id, err := r.queue.Put(context.Background(), &env, s.recipients, content)
	if err != nil {
		return 0, err
	}
	r.accepted(s, &env, now, took)
	return id, nil
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

// appendTrace writes the fields that go in front of what the client sent: our trace field (RFC 5321
// 4.4) and, for a submission, what the author's program left out (RFC 6409 8.2, 8.3).
func (r *Relay) appendTrace(b []byte, s *session, env *message.Envelope, header *message.HeaderSummary, now time.Time) []byte {
	trace := message.Received{
		HELO: s.info.HELO, Client: s.info.RemoteAddr.Addr(), By: r.cfg.Hostname,
		With: env.Origin.Protocol, ID: env.ID.String(), Time: now,
	}
	if len(s.recipients) == 1 {
		trace.For = s.recipients[0].Address
	}
	if t := s.info.TLS; t != nil {
		trace.TLS = tls.VersionName(t.Version) + " " + tls.CipherSuiteName(t.CipherSuite)
	}
	b = message.AppendReceived(b, trace)
	if !s.intake.Submission {
		return b
	}
	if !header.Date {
		b = append(b, "Date: "...)
		b = append(message.AppendDate(b, now), "\r\n"...)
	}
	if header.MessageID == nil {
		env.MessageID = env.ID.String() + "@" + r.cfg.Hostname
		b = append(b, "Message-ID: <"...)
		b = append(append(b, env.MessageID...), ">\r\n"...)
	}
	return b
}

// accepted tells the event log of a message that is now ours, after the client took so long over it.
func (r *Relay) accepted(s *session, env *message.Envelope, now time.Time, took time.Duration) {
	first := s.recipients[0]
	event := [1]Event{{
		Type: EventAccepted, ID: env.ID, Sender: env.Sender,
		Recipient: first.Address, Recipients: len(s.recipients), Domain: first.Domain,
		Tenant: env.Tenant, Class: env.Class, Size: env.Size,
		PeerAddr: s.info.RemoteAddr, HELO: s.info.HELO, Timestamp: time.Now(), Created: now,
		Reception: env.Origin.Protocol, SessionID: env.Origin.SessionID, MessageID: env.MessageID,
		Listener: env.Origin.Listener, Delays: Delays{BeforeQueue: took},
	}}
	if t := s.info.TLS; t != nil {
		event[0].TLSVersion, event[0].TLSCipher = tls.VersionName(t.Version), tls.CipherSuiteName(t.CipherSuite)
	}
	// The message is safe whatever becomes of the log; its end is what must not go untold.
	if err := r.events.Append(event[:]); err != nil {
		r.metrics.eventsLost.Add(1)
	}
}
