package smtp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	gosmtp "github.com/emersion/go-smtp"
)

// serverConn is one connection and the dialogue on it. One goroutine owns it; others touch only
// raw, to interrupt a read or to cut it.
type serverConn struct {
	srv *Server
	cfg *ServerConfig
	raw net.Conn // as accepted
	nc  net.Conn // the layer in use: raw, raw behind a PROXY header, or TLS

	site    netip.Prefix // what it counts for in the limit per address; zero if not counted
	info    *ConnInfo
	session gosmtp.Session
	in      serverInput
	out     []byte    // replies not yet written
	armed   time.Time // the deadline set on nc
	tx      serverTransaction

	commands, errors int  // since the last accepted message
	surplus          int  // recipients refused for being too many, in this transaction
	done             bool // no further command is read
	linger           bool // the peer may still be sending: close so that it can read our last words
}

// serverTransaction is what is known of the mail transaction under way (RFC 5321 3.3).
type serverTransaction struct {
	open     bool // MAIL was accepted
	chunked  bool // BDAT was accepted
	rcpts    int
	declared int64 // the SIZE parameter, 0 if not given
	ends     time.Time
}

// prepare makes c, new or used before, ready for the connection nc.
func (c *serverConn) prepare(s *Server, nc net.Conn) {
	c.srv, c.cfg = s, &s.cfg
	c.raw, c.nc = nc, nc
	// Not reused: a Session may hold on to it.
	c.info = &ConnInfo{Listener: s.cfg.Listener, SessionID: s.cfg.SessionIDs.Next().String()}
	c.in.reset(s.cfg.Memory)
}

// release forgets the connection, but for the memory that the next one can use.
func (c *serverConn) release() {
	c.raw, c.nc, c.info, c.session = nil, nil, nil, nil
	c.site = netip.Prefix{}
	c.out = c.out[:0]
	c.armed = time.Time{}
	c.tx = serverTransaction{}
	c.commands, c.errors, c.surplus = 0, 0, 0
	c.done, c.linger = false, false
}

// serve runs the dialogue and frees everything that it used, whatever happens inside.
func (c *serverConn) serve() {
	c.guard(c.dialogue)
	if c.session != nil {
		c.guard(func() { _ = c.session.Logout() }) // there is nobody left to tell
	}
	c.in.giveBack()
	c.close()
}

// guard keeps a panic in a Session from taking the other connections down with it.
func (c *serverConn) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			c.srv.metrics.panics.Add(1)
			c.srv.report(fmt.Errorf("smtp: panic in session %s: %v\n%s", c.info.SessionID, p, debug.Stack()))
			c.end(replyPanic)
			_ = c.flush()
		}
	}()
	f()
}

func (c *serverConn) dialogue() {
	if !c.begin() {
		_ = c.flush()
		return
	}
	for !c.done {
		line, err := c.readCommand()
		switch {
		case err == nil:
			c.command(line)
		case errors.Is(err, errLineTooLong):
			c.countCommand()
			c.refuse(replyLineTooLong)
		default:
			c.readFailed(err)
		}
	}
	_ = c.flush()
}

// readFailed ends the dialogue after a failed read. A transaction under way dies with it: what was
// received of it is dropped and no method of the Session but Logout is called.
func (c *serverConn) readFailed(err error) {
	if c.done {
		return // all is said
	}
	c.done = true
	idle := c.idle()
	c.tx = serverTransaction{} // also that its time, which may be up, does not bound our last words
	switch {
	case errors.Is(err, errBareLF):
		c.end(replyBareLF)
	case errors.Is(err, errForeign):
		c.end(replyForeign)
	case errors.Is(err, errNoMemory):
		c.srv.metrics.noMemory.Add(1)
		c.end(replyNoMemory)
	case !isTimeout(err):
		// The peer is gone.
	case idle && c.srv.stopping.Load():
		c.end(replyShutdown)
	default:
		c.srv.metrics.timeouts.Add(1)
		c.end(replyTimeout)
	}
}

// idle tells whether a shutdown may cut in: the client has no transaction under way.
func (c *serverConn) idle() bool { return !c.tx.open }

// end says a last word and ends the dialogue.
func (c *serverConn) end(reply string) {
	c.say(reply)
	c.done = true
	c.linger = true
}

// lingerTime and lingerBytes bound what is read from a client that goes on sending when we
// have said goodbye.
const (
	lingerTime  = time.Second
	lingerBytes = 256 << 10
)

// close closes the connection. Closing a socket with unread input makes the kernel reset the
// connection, and the client would lose our last reply; so read a little longer.
func (c *serverConn) close() {
	if half, ok := c.raw.(interface{ CloseWrite() error }); ok && c.linger && !c.srv.cutting.Load() {
		if t, ok := c.nc.(*tls.Conn); ok {
			_ = t.CloseWrite()
		}
		if half.CloseWrite() == nil && c.raw.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
			for total := 0; total < lingerBytes; {
				n, err := c.raw.Read(c.in.base[:])
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
