package smtp

import (
	"context"
	"crypto/tls"
	"net"
)

// ClientConfig says how a Client behaves. The zero value of each field but Hostname is usable.
type ClientConfig struct {
	// Hostname is what EHLO says.
	Hostname string
	Timeouts Timeouts
	// MaxReplyLines and MaxReplyBytes bound one reply of the peer; 0 means 128 and 16 KiB.
	MaxReplyLines, MaxReplyBytes int
	// DisablePipelining and DisableChunking are for hosts that offer what they cannot do.
	DisablePipelining, DisableChunking bool
	// ChunkMax is the size in bytes up to which a message goes by BDAT, together with its
	// commands; 0 means 64 KiB.
	ChunkMax int
	// Window is how many transactions may be in flight at once with CHUNKING and PIPELINING;
	// 0 means 8, 1 means one after the other. All of them are in doubt if the connection drops.
	Window int
	// SkipQuitReply makes Quit close without waiting for the 221.
	SkipQuitReply bool
}

// Client is the sending end of one SMTP connection. It is not safe for concurrent use.
type Client struct {
	conn net.Conn
	cfg  ClientConfig
}

// NewClient takes over conn, on which nothing has been read or written yet. A *tls.Conn is
// implicit TLS. The caller must end with Quit or Close.
func NewClient(conn net.Conn, cfg ClientConfig) *Client { return &Client{conn: conn, cfg: cfg} }

// Greet reads the greeting and says EHLO, or HELO to a peer that does not know EHLO.
// A refusal is returned as an error that wraps the message.Status (errors.As).
func (c *Client) Greet(ctx context.Context) error { panic("later") }

// StartTLS does STARTTLS, the handshake and EHLO again. If the peer refused STARTTLS the error wraps its
// message.Status and Err returns nil: the connection still serves in the clear. After any other error
// it is of no further use.
func (c *Client) StartTLS(ctx context.Context, config *tls.Config) error { panic("later") }

// Extensions returns what the peer offered last.
func (c *Client) Extensions() Extensions { panic("later") }

// TLS returns the state of the connection's TLS; ok is false in the clear.
func (c *Client) TLS() (state tls.ConnectionState, ok bool) { panic("later") }

// Err returns why the connection is of no further use, or nil.
func (c *Client) Err() error { panic("later") }

// InFlight returns how many transactions next gave that have not been the argument of Send yet.
func (c *Client) InFlight() int { panic("later") }

// Send gives tx to the peer and returns when its end is known or the connection has died.
//
// While there is room in the pipe it calls next for the transaction to come, and puts that in
// flight behind tx; next returns nil when there is none, and may itself be nil. It may be
// called several times in one Send (with CHUNKING), or not at all (a peer without
// PIPELINING). Every transaction that next returned must be the argument of a following Send,
// in that order and also after an error: that Send then returns what is known of it.
func (c *Client) Send(ctx context.Context, tx *Transaction, next func() *Transaction) Result {
	panic("later")
}

// CheckIdle tells whether an idle connection can be used again: nil, or what arrived meanwhile
// (io.EOF, a 421 as message.Status). It does not wait.
func (c *Client) CheckIdle() error { panic("later") }

// Quit says QUIT and closes. Its error is only of interest to a log.
func (c *Client) Quit(ctx context.Context) error { panic("later") }

// Close closes the connection at once.
func (c *Client) Close() error { return c.conn.Close() }
