package pop3

import (
	"bufio"
	"errors"
	"net"
	"time"
)

var (
	errLineTooLong = errors.New("pop3: line too long")
	errForeign     = errors.New("pop3: not POP3")
)

// tlsHandshake is the first byte of a TLS ClientHello, met on a port that is not for TLS.
const tlsHandshake = 0x16

// input is what a connection's bufio.Reader reads from. Before each wait it writes the replies gathered so
// far: a batch of pipelined commands is answered in as few writes as can be (RFC 2449 6.6).
type input struct{ c *conn }

func (in input) Read(p []byte) (int, error) {
	c := in.c
	if err := c.out.Flush(); err != nil {
		return 0, err
	}
	if c.readBy.IsZero() {
		c.readBy = c.loginBy
		if c.drop != nil {
			c.readBy = time.Now().Add(c.cfg.IdleTimeout)
		}
		_ = c.nc.SetReadDeadline(c.readBy) // fails only on a closed connection, as the read will
	}
	// Whoever comes second, this test or Shutdown's walk over the connections, ends the wait.
	if c.srv.stopping.Load() {
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	}
	return c.nc.Read(p)
}

// readLine returns the next line without its end, valid until the next call. The deadline is set when the
// wait begins and not moved by single bytes that trickle in. A bare LF ends a line too: there is nobody
// between us and the client who could read it another way, and people type at us by hand.
func (c *conn) readLine() ([]byte, error) {
	c.readBy = time.Time{}
	if first, err := c.in.Peek(1); err == nil && first[0] == tlsHandshake {
		return nil, errForeign // there may be no line end in it
	}
	line, err := c.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, errLineTooLong
	case err != nil:
		return nil, err // what came of an unfinished line is no command
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

// output is what a connection's bufio.Writer writes to. Each write has its deadline.
type output struct{ c *conn }

func (o output) Write(p []byte) (int, error) {
	c := o.c
	by := c.writeBy
	if by.IsZero() {
		by = time.Now().Add(c.cfg.WriteTimeout)
	}
	if err := c.nc.SetWriteDeadline(by); err != nil {
		return 0, err
	}
	n, err := c.nc.Write(p)
	if err != nil {
		// Nothing that the client asks for after this may take effect: it has not seen what came before.
		c.done = true
		c.ending = "hung up"
		if isTimeout(err) {
			c.srv.metrics.timeouts.Add(1)
			c.ending = "not read"
		}
	}
	return n, err
}

// bulk bounds the time in which the peer must take the next size bytes, until settle is called.
func (c *conn) bulk(size int64) {
	c.writeBy = time.Now().Add(c.cfg.WriteTimeout + time.Duration(size/c.cfg.MinRate)*time.Second)
}

// settle ends bulk.
func (c *conn) settle() { c.writeBy = time.Time{} }

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
