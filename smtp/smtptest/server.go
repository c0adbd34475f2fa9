// Package smtptest has peers for tests of anything that speaks SMTP as a client: a server that
// follows a script, an in-memory connection with the buffers of a socket, and a connection
// that fails when told to.
package smtptest

import (
	"net"
	"testing"
)

// Server answers SMTP as its script says and records what it took.
type Server struct{}

// Start starts a server with a script (see ParseScript) that ends with the test.
func Start(t testing.TB, script string) *Server { panic("later") }

// Dial opens a connection to the server in memory.
func (s *Server) Dial() net.Conn { panic("later") }

// Addr returns the server's TCP address on the loopback; it listens from the first call on.
func (s *Server) Addr() string { panic("later") }

// Messages returns every message answered positively so far, in order.
func (s *Server) Messages() []Message { panic("later") }

// Message is one message that the server took.
type Message struct {
	Conn       int    // number of the connection, from 1
	HELO       string // what the client called itself
	Sender     string
	Params     string // what followed the address in MAIL
	Recipients []Recipient
	Content    []byte // without dot-stuffing and the final dot
	Chunked    bool   // came by BDAT
	TLS        bool
}

// Recipient is one accepted RCPT.
type Recipient struct{ Address, Params string }
