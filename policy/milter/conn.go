package milter

import (
	"bufio"
	"net"
	"time"

	wire "github.com/emersion/go-milter"
)

// conn is a connection to a filter. One message at a time has it.
type conn struct {
	opt    *Options
	net    net.Conn
	r      *bufio.Reader
	w      *bufio.Writer
	agreed agreed
	budget int64       // what the filter may still send for this message, in bytes
	client Session     // whose messages the filter is shown on this connection; it knows of one client for each
	reused bool        // the filter knows the client already
	ended  bool        // no message is under way: no abort is needed
	idle   *time.Timer // closes the connection while it is in the pool
}

func newConn(o *Options, n net.Conn) *conn {
	return &conn{
		opt: o, net: n, budget: maxPacket, ended: true,
		r: bufio.NewReaderSize(n, 4096), w: bufio.NewWriterSize(deadlined{n, o.Command}, 32<<10),
	}
}

// deadlined gives each write the time of a command.
type deadlined struct {
	net.Conn
	limit time.Duration
}

func (d deadlined) Write(b []byte) (int, error) {
	if err := d.SetWriteDeadline(time.Now().Add(d.limit)); err != nil {
		return 0, err
	}
	return d.Conn.Write(b)
}

// interrupt makes what is being read or written fail at once, and all that comes after it: a deadline would be set
// anew by the next step.
func (c *conn) interrupt() { _ = c.net.Close() }

// send puts a command in line; receive sends what is in line.
func (c *conn) send(code wire.Code, parts ...[]byte) error {
	return writePacket(c.w, byte(code), parts...)
}

// receive returns the next answer that is not a report of progress.
func (c *conn) receive() (packet, error) {
	if err := c.w.Flush(); err != nil {
		return packet{}, err
	}
	const progress = 'p'
	for {
		if err := c.net.SetReadDeadline(time.Now().Add(c.opt.Command)); err != nil {
			return packet{}, err
		}
		p, err := readPacket(c.r, &c.budget)
		if err != nil || p.code != progress {
			return p, err
		}
	}
}

// quit says good-bye, as far as that is possible without waiting long.
func (c *conn) quit() {
	_ = c.net.SetDeadline(time.Now().Add(time.Second)) // the connection is closed in any case
	if !c.ended {
		_ = c.send(wire.CodeAbort)
	}
	_ = c.send(wire.CodeQuit)
	_ = c.w.Flush()
	_ = c.net.Close()
}
