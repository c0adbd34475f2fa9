package mailbox

import (
	"context"
	"crypto/tls"
	"net/netip"
)

// Logins proves who a client is. The servers of the protocols ask it; it keeps count of failures, slows them
// down and bans who guesses.
type Logins interface {
	// Mechanisms are the SASL mechanisms for a client with this TLS state (nil: none), best first; empty when
	// nobody may log in over such a connection. In clear a password is as good as published (RFC 8314 3).
	Mechanisms(state *tls.ConnectionState) []string
	// Begin starts a SASL exchange. ctx bounds all of it, with its delays. The error is a *LoginError.
	Begin(ctx context.Context, mechanism string, client Client) (Exchange, error)
	// Password is USER and PASS, or IMAP's LOGIN. It may take as long as the delay after a failure.
	Password(ctx context.Context, client Client, name, secret string) (Owner, error)
}

// Client is who wants to log in.
type Client struct {
	Addr netip.Addr
	TLS  *tls.ConnectionState // nil: in clear
}

// Exchange is a SASL exchange under way, for one goroutine.
type Exchange interface {
	// Next takes a response of the client, nil if there was no initial one. The error is a *LoginError.
	Next(response []byte) (challenge []byte, done bool, err error)
	// Owner is who has logged in, once Next has returned done.
	Owner() Owner
}

// Owner is a client that has logged in.
type Owner interface {
	// Account is the mailbox's name in the Store.
	Account() string
	// Check returns an error when the login is not valid any more: disabled, removed, or with another
	// secret. Ask at every command.
	Check() error
}

// LoginError is a refusal. It never tells whether the name exists.
type LoginError struct {
	// Temporary: the name and secret may be right, but we cannot tell now. Banned: too many failures.
	// Malformed: the exchange broke its own rules. None: wrong.
	Temporary, Banned, Malformed bool
	// Text is one line for the client.
	Text string
}

// Error implements error.
func (e *LoginError) Error() string { return e.Text }
