package relay

import (
	"context"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/policy/limit"
	"github.com/posthaste-mta/posthaste/smtp"
)

// Intake makes the sessions of one listener; it is the smtp.Backend that feeds a Relay.
type Intake struct {
	Relay *Relay
	// Submission tells that clients here are authors' own programs (RFC 6409): missing Date and
	// Message-ID fields are added, Bcc is removed.
	Submission bool
	// Tenant and Class are those of all mail that comes in here without a login that has its own.
	Tenant string
	Class  message.Class
	// Auth says who must log in here. Whether a login may go in the clear is the server's matter.
	Auth AuthMode
	// Strangers tells that clients without a login or a network of ours are looked at as Policy.Inbound says.
	Strangers bool
	// Unsigned tells that mail is never signed that comes in here: what the clients bring is others' mail.
	Unsigned bool
	// Memory is that of messages being received, in which copies for filters count; nil: they do not.
	Memory *smtp.Budget
}

// NewSession implements smtp.Backend.
func (in *Intake) NewSession(info *smtp.ConnInfo) (gosmtp.Session, error) {
	s := &session{relay: in.Relay, intake: in, info: info}
	s.ctx, s.end = context.WithCancel(in.Relay.delivering)
	s.command = "connect"
	if err := s.connect(); err != nil {
		s.leave()
		return nil, s.reject("", "", err)
	}
	if in.Auth != AuthOff {
		return authSession{s}, nil
	}
	return s, nil
}

// session is one client's dialogue. It asks policy and acts on the answer; the wire is the server's matter.
// Each step has a file, in which the engines of policy are asked in this order:
//
//	session_connect.go  the connection: who may come in at all
//	session_auth.go     AUTH: as whom
//	session_mail.go     MAIL: who sends
//	session_rcpt.go     RCPT: to whom
//	session_data.go     the content: what; then accept.go makes it ours
//
// An engine's refusal is an error that is, or wraps, a message.Status; session_reply.go makes it the reply.
type session struct {
	relay  *Relay
	intake *Intake
	info   *smtp.ConnInfo

	ctx context.Context // of all that is asked for this client; ends with the session
	end context.CancelFunc

	login   *auth.Live // nil until the client has logged in
	sasl    string     // the mechanism that it did by
	command string     // that is being answered, as events name it

	presence *limit.Presence  // of the connection
	own      *limit.Own       // the limits of the credential ownOf
	ownOf    *auth.Credential // a state of the login's
	taken    taken            // by the transaction

	stranger examined // of a client that is not ours

	begun      time.Time // of the transaction
	size       int64     // that the client announced, in bytes; 0 if it did not
	reached    int       // addresses that are behind the local ones of recipients
	envelope   message.Envelope
	recipients []message.Recipient
	suppressed []suppressed // accepted, but they get nothing
}

// Reset implements gosmtp.Session. What was handed to the queue belongs to it, so nothing is reused.
func (s *session) Reset() {
	s.giveBack()
	s.stranger.forget()
	s.size, s.reached = 0, 0
	s.envelope = message.Envelope{}
	s.recipients, s.suppressed = nil, nil
}

// Logout implements gosmtp.Session.
func (s *session) Logout() error {
	s.leave()
	return nil
}

// leave ends what the session has of the relay.
func (s *session) leave() {
	s.giveBack()
	s.presence.Leave()
	s.end()
	s.stranger.client.stop()
	s.stranger.forget()
}
