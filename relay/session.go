package relay

import (
	"errors"
	"io"
	"strings"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/smtp"
)

// Intake makes the sessions of one listener; it is the smtp.Backend that feeds a Relay.
type Intake struct {
	Relay *Relay
	// Submission tells that clients here are authors' own programs (RFC 6409): missing Date and
	// Message-ID fields are added, Bcc is removed.
	Submission bool
	// Tenant and Class are those of all mail that comes in here.
	Tenant string
	Class  message.Class
}

// NewSession implements smtp.Backend.
func (in *Intake) NewSession(info *smtp.ConnInfo) (gosmtp.Session, error) {
	return &session{relay: in.Relay, intake: in, info: info}, nil
}

// session is one client's dialogue. It asks policy and acts on the answer; the wire is the server's matter.
type session struct {
	relay  *Relay
	intake *Intake
	info   *smtp.ConnInfo

	begun      time.Time // of the transaction
	envelope   message.Envelope
	recipients []message.Recipient
}

// Mail implements gosmtp.Session.
func (s *session) Mail(from string, opts *gosmtp.MailOptions) error {
	s.Reset()
	s.begun = time.Now()
	if from != "" {
		if _, err := message.ParseAddress(from, opts.UTF8); err != nil {
			return s.reject(from, "", reply(553, 5, 1, 7, "Sender address: "+reason(err)))
		}
	}
	s.envelope.Sender = from
	s.envelope.UTF8 = opts.UTF8
	s.envelope.RequireTLS = opts.RequireTLS
	s.envelope.EnvelopeID = opts.EnvelopeID
	if opts.Body == gosmtp.Body8BitMIME {
		s.envelope.Body = message.Body8Bit
	}
	switch opts.Return {
	case gosmtp.DSNReturnFull:
		s.envelope.Return = message.ReturnFull
	case gosmtp.DSNReturnHeaders:
		s.envelope.Return = message.ReturnHeaders
	}
	return nil
}

// Rcpt implements gosmtp.Session.
func (s *session) Rcpt(to string, opts *gosmtp.RcptOptions) error {
	p := s.relay.policy.Load()
	postmaster := s.relay.isPostmaster(to)
	switch {
	case postmaster && p.Postmaster != "":
		to = p.Postmaster
	case postmaster:
		to = "postmaster@" + s.relay.cfg.Hostname
	}
	address, err := message.ParseAddress(to, s.envelope.UTF8)
	if err != nil {
		return s.reject(s.envelope.Sender, to, reply(553, 5, 1, 3, "Recipient address: "+reason(err)))
	}
	if !(postmaster && p.Postmaster != "") && !p.Access.MayRelay(s.info.RemoteAddr.Addr(), address) {
		return s.reject(s.envelope.Sender, to, reply(550, 5, 7, 1, "Relay access denied"))
	}
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
	s.recipients = append(s.recipients, rcpt)
	return nil
}

// isPostmaster tells whether mail to that address is for whoever looks after this host (RFC 5321 4.5.1).
func (r *Relay) isPostmaster(to string) bool {
	local, domain, _ := strings.Cut(to, "@")
	return strings.EqualFold(local, "postmaster") && (domain == "" || strings.EqualFold(domain, r.cfg.Hostname))
}

// Data implements gosmtp.Session. When it returns the reply 250, the message is on stable storage.
func (s *session) Data(r io.Reader) error {
	body, ok := r.(*smtp.Body)
	if !ok {
		content, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		body = smtp.NewBody(content)
	}
	id, err := s.relay.accept(s, body.Bytes())
	if err == nil {
		return &gosmtp.SMTPError{Code: 250, EnhancedCode: gosmtp.EnhancedCode{2, 0, 0}, Message: "Ok: queued as " + id.String()}
	}
	first := ""
	if len(s.recipients) > 0 {
		first = s.recipients[0].Address
	}
	return s.reject(s.envelope.Sender, first, intakeReply(err))
}

// Reset implements gosmtp.Session. What was handed to the queue belongs to it, so nothing is reused.
func (s *session) Reset() {
	s.envelope = message.Envelope{}
	s.recipients = nil
}

// Logout implements gosmtp.Session.
func (s *session) Logout() error { return nil }

// intakeReply is the reply for a message that was not accepted.
func intakeReply(err error) *gosmtp.SMTPError {
	var smtpErr *gosmtp.SMTPError
	switch {
	case errors.As(err, &smtpErr):
		return smtpErr
	case errors.Is(err, queue.ErrFull):
		return reply(452, 4, 3, 1, "Insufficient system storage, try again later")
	case errors.Is(err, queue.ErrFailed), errors.Is(err, queue.ErrClosed):
		return reply(421, 4, 3, 0, "Message not stored: the store is out of order")
	default:
		return reply(451, 4, 3, 0, "Message not stored, try again later")
	}
}

// reject tells the event log of a refusal and returns it as the reply. The log is written within its flush
// interval: nothing of ours depends on a rejection.
func (s *session) reject(sender, rcpt string, e *gosmtp.SMTPError) error {
	event := Event{
		Type: EventRejected, Sender: sender, Recipient: rcpt, Domain: message.DomainOf(rcpt),
		Status:   message.Status{Code: e.Code, Enhanced: message.EnhancedCode(e.EnhancedCode), Text: e.Message},
		PeerAddr: s.info.RemoteAddr, HELO: s.info.HELO, Timestamp: time.Now(),
		Reception: s.info.Protocol(), SessionID: s.info.SessionID, Listener: s.info.Listener,
	}
	if err := s.relay.events.Append([]Event{event}); err != nil {
		s.relay.metrics.eventsLost.Add(1)
	}
	return e
}

func reply(code, class, subject, detail int, text string) *gosmtp.SMTPError {
	return &gosmtp.SMTPError{Code: code, EnhancedCode: gosmtp.EnhancedCode{class, subject, detail}, Message: text}
}

// reason is the part of an address error that helps a client.
func reason(err error) string {
	return strings.TrimPrefix(err.Error(), message.ErrBadAddress.Error()+": ")
}
