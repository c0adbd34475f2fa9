package smtp

import (
	"crypto/tls"
	"net/netip"

	gosmtp "github.com/emersion/go-smtp"
)

// Backend makes the sessions of a Server. It must be safe for concurrent use.
type Backend interface {
	// NewSession is called once per connection, before the greeting is sent. An error refuses the
	// client: a *gosmtp.SMTPError is sent in the greeting's place, any other error becomes
	// 421 4.3.0; either way the connection is closed.
	//
	// The server calls the Session's methods one at a time, on one goroutine. A *gosmtp.SMTPError
	// (also a wrapped one) is the reply; any other error becomes 451 4.3.0 without its text.
	// Data gets a *Body and may return an SMTPError with code 250 to set the success line.
	// A Session that also is a gosmtp.AuthSession is offered AUTH.
	NewSession(info *ConnInfo) (gosmtp.Session, error)
}

// BackendFunc makes a Backend of a function.
type BackendFunc func(info *ConnInfo) (gosmtp.Session, error)

// NewSession calls f.
func (f BackendFunc) NewSession(info *ConnInfo) (gosmtp.Session, error) { return f(info) }

// ConnInfo is what a Server knows about a connection. The server changes it as the dialogue goes
// on, never while a method of the Session runs; a Session reads it and keeps no copy, because
// STARTTLS makes the server forget what the client said before.
type ConnInfo struct {
	// Listener is the name from ServerConfig.
	Listener string
	// SessionID names the session in logs; it sorts by time.
	SessionID string
	// RemoteAddr is the client's address: the one the PROXY header gives if a trusted proxy sent
	// one. IPv4 addresses are never in IPv6 form. Invalid if the transport has no IP address.
	RemoteAddr netip.AddrPort
	// LocalAddr is the address that the client connected to.
	LocalAddr netip.AddrPort
	// HELO is the argument of the last HELO or EHLO: printable ASCII without spaces; "" before.
	HELO string
	// ESMTP tells that the client said EHLO, not HELO.
	ESMTP bool
	// TLS is the state of the TLS layer; nil on a clear connection.
	TLS *tls.ConnectionState
	// Authenticated tells that AUTH has succeeded.
	Authenticated bool
	// UTF8 tells that the transaction under way was begun with SMTPUTF8.
	UTF8 bool
}

// Protocol returns the "with" keyword of the Received field (RFC 3848, RFC 6531 4.3).
func (c *ConnInfo) Protocol() string {
	if !c.ESMTP {
		return "SMTP"
	}
	keyword := "ESMTP"
	if c.UTF8 {
		keyword = "UTF8SMTP"
	}
	if c.TLS != nil {
		keyword += "S"
	}
	if c.Authenticated {
		keyword += "A"
	}
	return keyword
}
