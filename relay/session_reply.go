package relay

import (
	"errors"
	"strings"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/store"
	"github.com/posthaste-mta/posthaste/queue"
)

// refusal is the reply that tells a client of an error. What policy says to clients is a message.Status; the words
// of other errors are ours alone.
func (s *session) refusal(err error) *gosmtp.SMTPError {
	var told *gosmtp.SMTPError
	var status message.Status
	switch {
	case errors.As(err, &told):
		return told
	case errors.As(err, &status):
		return &gosmtp.SMTPError{Code: status.Code, EnhancedCode: gosmtp.EnhancedCode(status.WithEnhanced()), Message: status.Text}
	case errors.Is(err, queue.ErrFull):
		return reply(452, 4, 3, 1, "Insufficient system storage, try again later")
	case errors.Is(err, queue.ErrFailed), errors.Is(err, queue.ErrClosed),
		errors.Is(err, store.ErrFailed), errors.Is(err, store.ErrClosed):
		return reply(421, 4, 3, 0, "Message not stored: the store is out of order")
	}
	s.relay.log.Error("a client's command failed", zap.String("listener", s.info.Listener),
		zap.String("session", s.info.SessionID), zap.Error(err))
	return reply(451, 4, 3, 0, "Local error, try again later")
}

// reject tells the event log of a refusal and returns the reply. The log is written within its flush
// interval: nothing of ours depends on a rejection.
func (s *session) reject(sender, rcpt string, err error) error {
	e := s.refusal(err)
	event := Event{
		Type: EventRejected, Command: s.command, Sender: sender, Recipient: rcpt, Domain: message.DomainOf(rcpt),
		Status:   message.Status{Code: e.Code, Enhanced: message.EnhancedCode(e.EnhancedCode), Text: e.Message},
		PeerName: s.stranger.name, PeerAddr: s.info.RemoteAddr, HELO: s.info.HELO, Timestamp: time.Now(),
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
