package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// ClientConfig says how a Client behaves. The zero value of each field but Hostname is usable.
type ClientConfig struct {
	// Hostname is what EHLO says.
	Hostname string
	// LMTP is spoken instead of SMTP (RFC 2033): LHLO for EHLO, and a reply to the end of the data for each recipient.
	LMTP     bool
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
	// Buffers is shared by the clients of a process; nil gives this one its own.
	Buffers *ClientBuffers
}

func (c ClientConfig) withDefaults() ClientConfig {
	c.Timeouts = c.Timeouts.withDefaults()
	def := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	def(&c.MaxReplyLines, 128)
	def(&c.MaxReplyBytes, 16<<10)
	def(&c.ChunkMax, 64<<10)
	def(&c.Window, 8)
	if c.Buffers == nil {
		c.Buffers = NewClientBuffers()
	}
	return c
}

// Client is the sending end of one SMTP connection. It is not safe for concurrent use.
//
// The connection must have buffers of its own, as a socket has: the client writes up to a hundred
// commands before it reads a reply, and a peer over net.Pipe would have to read them all first.
type Client struct {
	conn     net.Conn // TLS, once there is
	raw      net.Conn // below TLS
	cfg      ClientConfig
	ext      Extensions
	r        clientReader
	w        clientWriter
	watch    clientWatch
	readBy   clientDeadline
	writeBy  clientDeadline
	greeted  bool
	secure   bool
	now      time.Time // when the last read returned
	err      error     // set once: of no further use
	pipeline clientPipeline
	words    clientWords
}

// NewClient takes over conn, on which nothing has been read or written yet. A *tls.Conn is
// implicit TLS. The caller must end with Quit or Close.
func NewClient(conn net.Conn, cfg ClientConfig) *Client {
	c := &Client{cfg: cfg.withDefaults()}
	c.r = clientReader{maxLines: c.cfg.MaxReplyLines, maxBytes: c.cfg.MaxReplyBytes, pool: c.cfg.Buffers}
	c.w = clientWriter{before: c.armWrite, pool: c.cfg.Buffers}
	c.raw = conn
	if t, ok := conn.(*tls.Conn); ok {
		c.raw, c.secure = t.NetConn(), true
	}
	c.use(conn)
	return c
}

// use makes conn the one to read and write.
func (c *Client) use(conn net.Conn) {
	c.conn, c.r.conn, c.w.conn = conn, conn, conn
	c.watch.mu.Lock()
	c.watch.conn = conn
	c.watch.mu.Unlock()
	c.disarm()
}

// Extensions returns what the peer offered last.
func (c *Client) Extensions() Extensions { return c.ext }

// TLS returns the state of the connection's TLS; ok is false in the clear.
func (c *Client) TLS() (state tls.ConnectionState, ok bool) {
	if t, isTLS := c.conn.(*tls.Conn); isTLS {
		return t.ConnectionState(), true
	}
	return tls.ConnectionState{}, false
}

// Err returns why the connection is of no further use, or nil.
func (c *Client) Err() error { return c.err }

// begin starts a call: it makes ctx end its waits, and fails if there is nothing left to call.
func (c *Client) begin(ctx context.Context, p Phase) error {
	if c.err != nil {
		return c.err
	}
	if c.watch.begin(ctx) {
		c.disarm()
	}
	if err := ctx.Err(); err != nil {
		return c.die(p, err)
	}
	return nil
}

// die closes the connection for good, and returns why.
func (c *Client) die(p Phase, err error) error {
	if c.err == nil {
		c.err = &PhaseError{Phase: p, Err: err}
		c.shut()
	}
	return c.err
}

// shut closes below TLS, as a close_notify to a peer that does not read would block.
func (c *Client) shut() {
	c.watch.end()
	c.raw.Close()
	c.w.drop()
	c.w.release()
	c.r.discard()
}

// command writes one command outside of transactions and returns its reply.
func (c *Client) command(p Phase, line string) (reply, error) {
	c.w.text(line)
	c.w.flush() // if it fails, the peer's last words may still be there to read
	return c.read(p)
}

// read returns the next reply. Its whole wait is bounded, however slowly the pieces come.
func (c *Client) read(p Phase) (reply, error) {
	armed := false
	for {
		rep, ok, err := c.r.buffered()
		if err != nil {
			return reply{}, c.die(p, err)
		}
		if ok {
			return rep, nil
		}
		if !armed {
			c.armRead(c.patience(p))
			armed = true
		}
		err = c.r.fill()
		c.now = time.Now()
		if err != nil {
			return reply{}, c.die(p, c.reason(err))
		}
	}
}

// patience is how long a reply is waited for. After a failed write only what is on its way
// already can still come.
func (c *Client) patience(p Phase) time.Duration {
	t := c.cfg.Timeouts.timeout(p)
	if c.w.err != nil {
		t = min(t, clientLastWords)
	}
	return t
}

const clientLastWords = 5 * time.Second

// reason names what made a read or a write fail: a cancelled context rather than the deadline
// that it moved, and a failed write rather than the silence after it.
func (c *Client) reason(err error) error {
	if ctxErr := c.watch.err(); ctxErr != nil {
		return ctxErr
	}
	if c.w.err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return c.w.err
	}
	return err
}

// Quit says QUIT and closes. Its error is only of interest to a log.
func (c *Client) Quit(ctx context.Context) error {
	if err := c.begin(ctx, PhaseQuit); err != nil {
		return err
	}
	var err error
	switch {
	case c.InFlight() > 0: // no point in asking: closing is what ends them
	case c.cfg.SkipQuitReply:
		c.w.text("QUIT\r\n")
		c.w.flush()
		err = c.w.err
	default:
		_, err = c.command(PhaseQuit, "QUIT\r\n")
	}
	c.Close()
	return err
}

// Close closes the connection at once. Transactions in flight are lost sight of.
func (c *Client) Close() error {
	c.die(PhaseQuit, ErrClosed)
	return nil
}

// refusal wraps the status of a negative reply that ends the connection's use.
func (c *Client) refusal(p Phase, st message.Status) error {
	if st.Code != 421 { // after a 421 nobody listens
		c.w.text("QUIT\r\n")
		c.w.flush()
	}
	return c.die(p, st)
}
