package smtp

import (
	"errors"
	"net"
	"os"
	"time"
)

// clientPeekTime is how long CheckIdle may wait on a connection that it cannot look into.
const clientPeekTime = time.Millisecond

// CheckIdle tells whether an idle connection can be used again: nil, or why not (io.EOF, a 421 as
// message.Status). It does not wait where the connection is TCP, and next to nothing elsewhere.
// A goodbye that shares a TCP segment with the last reply inside TLS is seen by the next Send only.
func (c *Client) CheckIdle() error {
	switch {
	case c.err != nil:
		return c.err
	case c.InFlight() > 0:
		return nil
	case c.watch.err() != nil:
		return c.die(PhaseIdle, c.watch.err())
	case !c.r.empty():
		return c.unasked()
	}
	c.armRead(c.cfg.Timeouts.EHLO) // the old deadline may have passed
	if clientQuiet(c.raw) {
		return nil
	}
	return c.readIdle()
}

// readIdle takes what is there. In TLS that may be a session ticket, which is nobody's reply.
func (c *Client) readIdle() error {
	c.conn.SetReadDeadline(time.Now().Add(clientPeekTime))
	err := c.r.fill()
	c.disarm()
	switch {
	case err == nil:
		return c.unasked()
	case errors.Is(err, os.ErrDeadlineExceeded) && c.watch.err() == nil:
		c.r.release()
		return nil
	}
	return c.die(PhaseIdle, c.reason(err))
}

// clientQuiet tells that a connection is open and nothing has arrived on it; false if that is not so
// or cannot be known.
func clientQuiet(conn net.Conn) bool {
	tcp, ok := conn.(*net.TCPConn)
	return ok && clientPeek(tcp)
}
