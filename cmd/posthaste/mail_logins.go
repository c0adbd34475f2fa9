package main

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/address"
	"github.com/posthaste-mta/posthaste/policy/auth"
)

// mailLogins lets the owners of mailboxes in, with the credentials that submission has. Failures count against the
// same clients and names as there. A credential without a mailbox is as good as none.
type mailLogins struct {
	auth    *auth.Authenticator
	has     func(account string) bool
	inClear bool // takes logins without TLS
}

// Mechanisms implements mailbox.Logins.
func (l *mailLogins) Mechanisms(state *tls.ConnectionState) []string {
	if state == nil && !l.inClear {
		return nil
	}
	return l.auth.Mechanisms(state)
}

// Begin implements mailbox.Logins.
func (l *mailLogins) Begin(ctx context.Context, mechanism string, client mailbox.Client) (mailbox.Exchange, error) {
	return l.begin(ctx, mechanism, client)
}

func (l *mailLogins) begin(ctx context.Context, mechanism string, client mailbox.Client) (*mailExchange, error) {
	if client.TLS == nil && !l.inClear {
		return nil, loginError(auth.ErrMechanism)
	}
	x, err := l.auth.Begin(ctx, mechanism, auth.Client{Addr: client.Addr, TLS: client.TLS})
	if err != nil {
		return nil, loginError(err)
	}
	return &mailExchange{Exchange: x, logins: l}, nil
}

// Password implements mailbox.Logins.
func (l *mailLogins) Password(ctx context.Context, client mailbox.Client, name, secret string) (mailbox.Owner, error) {
	x, err := l.begin(ctx, auth.Plain, client)
	if err != nil {
		return nil, err
	}
	if _, _, err := x.Next([]byte("\x00" + name + "\x00" + secret)); err != nil {
		return nil, err
	}
	return x.Owner(), nil
}

// mailExchange is a mailbox.Exchange.
type mailExchange struct {
	*auth.Exchange
	logins *mailLogins
	owner  *mailOwner
}

// Next implements mailbox.Exchange.
func (x *mailExchange) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, done, err = x.Exchange.Next(response)
	if err != nil {
		return nil, false, loginError(err)
	}
	if done {
		if x.owner = x.logins.ownerOf(x.Live()); x.owner == nil {
			return nil, false, loginError(auth.ErrFailed)
		}
	}
	return challenge, done, nil
}

// Owner implements mailbox.Exchange.
func (x *mailExchange) Owner() mailbox.Owner { return x.owner }

// ownerOf returns whose mailbox a login is for; nil if it has none.
func (l *mailLogins) ownerOf(live *auth.Live) *mailOwner {
	c, err := live.Credential()
	if err != nil {
		return nil
	}
	account, _, err := address.ParseName(c.Name)
	if err != nil || !l.has(account) {
		return nil
	}
	return &mailOwner{live: live, account: account}
}

// mailOwner is a mailbox.Owner.
type mailOwner struct {
	live    *auth.Live
	account string
}

// Account implements mailbox.Owner.
func (o *mailOwner) Account() string { return o.account }

// Check implements mailbox.Owner.
func (o *mailOwner) Check() error {
	_, err := o.live.Credential()
	return err
}

// loginError tells what the servers of mail need to know of an error.
func loginError(err error) error {
	var status message.Status
	if !errors.As(err, &status) { // the end of the connection or of the daemon
		return &mailbox.LoginError{Temporary: true, Text: "The login was not checked, try again later"}
	}
	e := &mailbox.LoginError{Text: status.Text}
	switch {
	case errors.Is(err, auth.ErrBusy):
		e.Temporary = true
	case errors.Is(err, auth.ErrMalformed), errors.Is(err, auth.ErrMechanism):
		e.Malformed = true
	case status.Code == 421, status.Code == 454:
		e.Banned = true
	}
	return e
}
