package smtp

import (
	"errors"
	"io"
	"net"
	"time"
)

var (
	errLineTooLong = errors.New("smtp: command line too long")
	errBareLF      = errors.New("smtp: command line ends in a bare LF")
	errForeign     = errors.New("smtp: not SMTP")
	errNoMemory    = errors.New("smtp: memory budget used up")
)

// tlsHandshake is the first byte of a TLS ClientHello, met on a port that is not for TLS.
const tlsHandshake = 0x16

// readCommand returns the next command line without its CR LF. The deadline is set when the wait
// begins and not moved by single bytes that trickle in.
//
// A line that ends in a bare LF fails with errBareLF and must end the session: one side may take
// it for one command and the other for two.
func (c *serverConn) readCommand() ([]byte, error) {
	if !c.tx.chunked {
		c.in.endContent() // gives a borrowed buffer back, once pipelined input allows it
	}
	waiting := false
	for {
		if unread := c.in.unread(); len(unread) > 0 && unread[0] == tlsHandshake {
			return nil, errForeign // there may be no line end in it
		}
		before := c.in.r
		line, crlf, ok := c.in.nextLine()
		switch {
		case ok && c.in.r-before > maxCommandLine:
			return nil, errLineTooLong
		case ok && !crlf:
			return nil, errBareLF
		case ok:
			return line, nil
		case len(c.in.unread()) >= maxCommandLine:
			return nil, c.skipLine()
		}
		if !waiting {
			c.arm()
			waiting = true
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// maxSkippedLine bounds what is read to find the end of a command line that is too long.
const maxSkippedLine = 64 << 10

// skipLine reads to the end of a line that is too long and returns errLineTooLong.
func (c *serverConn) skipLine() error {
	for skipped := 0; skipped < maxSkippedLine; {
		if _, _, ok := c.in.nextLine(); ok {
			return errLineTooLong
		}
		skipped += len(c.in.unread())
		c.in.r = c.in.w
		if err := c.fill(); err != nil {
			return err
		}
	}
	c.end(replyLineTooLong)
	return io.EOF
}

// fill writes the replies gathered so far and reads more input. A batch of pipelined commands is
// thereby answered in one write (RFC 2920 3.2). io.EOF is returned for every end of the stream.
func (c *serverConn) fill() error {
	space := c.in.space()
	if len(space) == 0 {
		if !c.in.grow(0) {
			return errNoMemory
		}
		space = c.in.space()
	}
	if err := c.flush(); err != nil {
		return err
	}
	for {
		n, err := c.nc.Read(space)
		c.in.w += n
		switch {
		case n > 0:
			return nil
		case err == nil:
		case isTimeout(err) && c.srv.stopping.Load() && !c.idle() && time.Now().Before(c.armed):
			// Shutdown interrupts every read, to reach the idle clients. We are not one of them.
			_ = c.nc.SetDeadline(c.armed)
		default:
			return err
		}
	}
}

// flush writes the replies gathered so far.
func (c *serverConn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	c.arm()
	_, err := c.nc.Write(c.out)
	c.out = c.out[:0]
	return err
}

// arm sets the deadline for reads and writes to ReadTimeout from now, or to the end of the
// transaction if that comes first. Setting it costs a lock and a timer, so it is set with some
// slack and left alone until the slack is used up, which is about once a second.
func (c *serverConn) arm() {
	now := time.Now()
	slack := min(time.Second, c.cfg.ReadTimeout/8)
	want := now.Add(c.cfg.ReadTimeout)
	if c.tx.open && want.Add(slack).After(c.tx.ends) {
		want, slack = c.tx.ends, 0
	}
	if c.armed.Before(want) || c.armed.After(want.Add(slack)) {
		c.armed = want.Add(slack)
		_ = c.nc.SetDeadline(c.armed) // fails only on a closed connection, as the next read will
	}
	// Whoever comes second, this test or Shutdown's walk over the connections, ends the wait.
	if c.srv.stopping.Load() && c.idle() {
		_ = c.raw.SetReadDeadline(time.Unix(1, 0))
		c.armed = time.Time{}
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
