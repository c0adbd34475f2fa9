package relay

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/auth"
)

// AuthMode says who logs in at a listener. Whoever has logged in may send anywhere, as the senders that the login
// allows.
type AuthMode uint8

const (
	AuthOff       AuthMode = iota // nobody can
	AuthOptional                  // who wants to; others may send what the relay's networks and domains allow
	AuthStrangers                 // clients outside the relay's networks must, before any mail
	AuthRequired                  // every client must
)

// authSession is a session at a listener where clients may log in; it implements gosmtp.AuthSession.
type authSession struct{ *session }

// AuthMechanisms implements gosmtp.AuthSession.
func (s authSession) AuthMechanisms() []string {
	a := s.relay.policy.Load().Auth
	if a == nil {
		return nil
	}
	return a.Mechanisms(s.info.TLS)
}

// Auth implements gosmtp.AuthSession.
func (s authSession) Auth(mechanism string) (sasl.Server, error) {
	s.command = "AUTH"
	a := s.relay.policy.Load().Auth
	if a == nil {
		return nil, s.reject("", "", auth.ErrMechanism)
	}
	x, err := a.Begin(s.ctx, mechanism, auth.Client{Addr: s.info.RemoteAddr.Addr(), TLS: s.info.TLS})
	if err != nil {
		return nil, s.reject("", "", err)
	}
	return &login{session: s.session, exchange: x, mechanism: mechanism}, nil
}

// login is an AUTH command under way. The name that the client gives is told nobody: at times it is the secret.
type login struct {
	session   *session
	exchange  *auth.Exchange
	mechanism string
}

// Next implements sasl.Server.
func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, done, err = l.exchange.Next(response)
	if err != nil {
		return nil, false, l.session.reject("", "", err)
	}
	if done {
		l.session.login, l.session.sasl = l.exchange.Live(), l.mechanism
		if err := l.session.limitLogin(); err != nil {
			l.session.login = nil
			return nil, false, l.session.reject("", "", err)
		}
	}
	return challenge, done, nil
}

// credential returns that of the client, as it is now; nil if the client has not logged in. An error ends the session:
// the login is not valid any more.
func (s *session) credential() (*auth.Credential, error) {
	if s.login == nil {
		return nil, nil
	}
	return s.login.Credential()
}

// mustLogin tells whether this client gets nothing without a login.
func (s *session) mustLogin() bool {
	switch s.intake.Auth {
	case AuthRequired:
		return true
	case AuthStrangers:
		return !s.relay.policy.Load().Access.Trusted(s.info.RemoteAddr.Addr())
	default:
		return false
	}
}

// checkLogin decides whether the client may send as this, and a message of this many bytes; 0 when it did not say.
func (s *session) checkLogin(from string, size int64) error {
	c, err := s.credential()
	switch {
	case err != nil:
		return err
	case c != nil:
		return errors.Join(s.login.MayMail(from), checkSize(c, size))
	case s.mustLogin():
		return auth.ErrRequired
	default:
		return nil
	}
}

func checkSize(c *auth.Credential, size int64) error {
	if most := c.Limits.MessageBytes; most > 0 && size > most {
		return reply(552, 5, 3, 4, fmt.Sprintf("Message too big: this login may send %d bytes", most))
	}
	return nil
}

// checkAuthor decides whether the client may send what says to be from the addresses in From: one who has logged in
// must not lend itself another's name by the field that people see.
func (m *incoming) checkAuthor() error {
	c, err := m.credential()
	if c == nil || err != nil {
		return err
	}
	if err := checkSize(c, int64(len(m.body))); err != nil {
		return err
	}
	from, malformed := message.FromAddresses(m.body)
	err = m.login.MaySend(m.session.envelope.Sender, from)
	if err != nil && malformed != nil && !errors.Is(err, auth.ErrGone) {
		// Which addresses are in it cannot be told, and this login may not use just any.
		return reply(553, 5, 7, 1, "The From field cannot be read: "+
			reason(errors.New(strings.TrimPrefix(malformed.Error(), message.ErrBadMailboxes.Error()+": "))))
	}
	return err
}

// stampLogin gives the message what is its login's: what a login does not say is the listener's.
func (m *incoming) stampLogin(c *auth.Credential) {
	env := m.envelope
	env.Tenant, env.Class = m.intake.Tenant, m.intake.Class
	if c == nil {
		return
	}
	env.Tenant, env.Class = cmp.Or(c.Tenant, env.Tenant), cmp.Or(c.Class, env.Class)
	env.Origin.AuthName = c.Name
	if c.Capture {
		for i := range m.recipients {
			m.recipients[i].Domain = captureQueue
		}
	}
}

var _ gosmtp.AuthSession = authSession{}
