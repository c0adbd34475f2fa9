package pop3

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/posthaste-mta/posthaste/mailbox"
	"go.uber.org/zap"
)

// conn is one connection and the session on it. One goroutine owns it; others touch only raw, to interrupt
// a read or to cut it.
type conn struct {
	srv *Server
	cfg *Config
	raw net.Conn // as accepted
	nc  net.Conn // the layer in use: raw or TLS

	ctx     context.Context
	addr    netip.Addr   // invalid for transports other than TCP
	network netip.Prefix // what it counts for in the limit per address; zero if not counted
	tls     *tls.ConnectionState

	in      *bufio.Reader // of input
	out     *bufio.Writer // to output; errors stick
	readBy  time.Time     // ends the wait for the line that is being read; zero before the wait
	writeBy time.Time     // ends the reply that is being written; zero: each write has WriteTimeout
	loginBy time.Time

	name  string        // from USER, "" without
	utf8  bool          // UTF8 was said
	owner mailbox.Owner // nil before the login
	drop  *maildrop     // nil before the login
	sent  int           // messages, for the log

	commands, errors, failedLogins int
	done                           bool   // no further command is read
	linger                         bool   // the peer may still be sending: close so that it can read our last words
	ending                         string // how the session ended, for the log
}

// lineSize bounds a command or response with its line end. RFC 2449 4 asks for 255, RFC 5034 4 for as much as the
// mechanisms need.
const lineSize = 4096

func newConn(s *Server, nc net.Conn) *conn {
	return &conn{srv: s, cfg: &s.cfg, raw: nc, nc: nc, ctx: s.base}
}

// serve runs the session and frees everything that it used, whatever happens inside. The maildrop comes
// first: who sees the connection end can have it at once.
func (c *conn) serve() {
	defer c.close()
	defer c.leave()
	defer c.recover()
	c.in = bufio.NewReaderSize(input{c}, lineSize)
	c.out = bufio.NewWriterSize(output{c}, lineSize)
	c.loginBy = time.Now().Add(c.cfg.LoginTimeout)
	if !c.begin() {
		_ = c.out.Flush()
		return
	}
	for !c.done {
		line, err := c.readLine()
		if err != nil {
			c.readFailed(err)
			break
		}
		c.command(line)
	}
	if c.out.Flush() != nil && c.ending == "" {
		c.ending = "not read"
	}
}

// recover keeps a panic from taking the other sessions down with it.
func (c *conn) recover() {
	p := recover()
	if p == nil {
		return
	}
	c.srv.metrics.panics.Add(1)
	c.cfg.Log.Error("panic in a session", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
	c.ending = "panic"
	c.done, c.linger = true, true
}

// begin takes the connection up to the greeting. It reports false if there will be no session.
func (c *conn) begin() bool {
	c.probe()
	if a, ok := c.raw.RemoteAddr().(*net.TCPAddr); ok {
		c.addr = a.AddrPort().Addr().Unmap()
	}
	if !c.srv.conns.addAddr(c, c.addr) {
		c.srv.metrics.refused.Add(1)
		if !c.cfg.ImplicitTLS {
			c.end(replyConnections)
		}
		return false
	}
	if c.cfg.ImplicitTLS && !c.handshake() {
		return false
	}
	// No word in angle brackets: that would offer APOP, which needs passwords kept in clear.
	c.say("+OK " + c.cfg.Hostname + " POP3 ready\r\n")
	return true
}

// probe makes TCP find out in two minutes that a peer has vanished, so that its maildrop is not locked for
// the whole IdleTimeout.
func (c *conn) probe() {
	if t, ok := c.raw.(interface {
		SetKeepAliveConfig(net.KeepAliveConfig) error
	}); ok {
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4})
	}
}

// readFailed ends the session without a word: RFC 1939 3 wants none after a timeout, and of a shutdown no
// reply could tell, since the client has asked nothing.
func (c *conn) readFailed(err error) {
	c.done = true
	switch {
	case c.ending != "":
	case err == errForeign:
		c.countError()
		c.end(replyForeign)
	case err == errLineTooLong:
		c.countError()
		c.end(replyLineTooLong)
	case isTimeout(err) && c.srv.stopping.Load():
		c.ending = "shutdown"
	case isTimeout(err):
		c.srv.metrics.timeouts.Add(1)
		c.ending = "timeout"
	default:
		c.ending = "hung up"
	}
}

// leave gives the maildrop back, with all messages in it.
func (c *conn) leave() {
	if c.drop == nil {
		return
	}
	c.drop.close()
	c.srv.metrics.sessions.Add(-1)
	c.cfg.Log.Info("session ended", zap.String("listener", c.cfg.Listener), zap.String("account", c.owner.Account()),
		zap.Stringer("addr", c.addr), zap.Bool("tls", c.tls != nil), zap.String("ending", c.ending),
		zap.Int("sent", c.sent), zap.Int("removed", c.drop.removed))
	c.drop = nil
}

// lingerTime and lingerBytes bound what is read from a client that goes on sending when we have said
// goodbye.
const (
	lingerTime  = time.Second
	lingerBytes = 256 << 10
)

// close closes the connection. Closing a socket with unread input makes the kernel reset the connection, and
// the client would lose our last reply; so read a little longer.
func (c *conn) close() {
	half, ok := c.raw.(interface{ CloseWrite() error })
	if ok && (c.linger || c.in.Buffered() > 0) && c.ctx.Err() == nil {
		if t, ok := c.nc.(*tls.Conn); ok {
			_ = t.CloseWrite()
		}
		if half.CloseWrite() == nil && c.raw.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
			var rest [lineSize]byte
			for total := 0; total < lingerBytes; {
				n, err := c.raw.Read(rest[:])
				if err != nil {
					break
				}
				total += n
			}
		}
	}
	_ = c.nc.Close()
	_ = c.raw.Close()
}
