package pop3

import (
	"bytes"
	"io"
	"net"
	"time"
)

// scriptConn is a connection whose input is there from the start, in pieces, and which notes its writes.
type scriptConn struct {
	input  [][]byte
	writes [][]byte
}

func (c *scriptConn) Read(p []byte) (int, error) {
	if len(c.input) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.input[0])
	if c.input[0] = c.input[0][n:]; len(c.input[0]) == 0 {
		c.input = c.input[1:]
	}
	return n, nil
}

func (c *scriptConn) Write(p []byte) (int, error) {
	c.writes = append(c.writes, bytes.Clone(p))
	return len(p), nil
}

func (c *scriptConn) output() string                   { return string(bytes.Join(c.writes, nil)) }
func (c *scriptConn) Close() error                     { return nil }
func (c *scriptConn) LocalAddr() net.Addr              { return nil }
func (c *scriptConn) RemoteAddr() net.Addr             { return nil }
func (c *scriptConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptConn) SetWriteDeadline(time.Time) error { return nil }

// runScript serves one connection that sends the pieces and then hangs up.
func runScript(cfg Config, b *inbox, pieces ...[]byte) *scriptConn {
	s := New(cfg)
	s.open = b.open
	nc := &scriptConn{input: pieces}
	newConn(s, nc).serve()
	return nc
}

// cutPieces splits b into pieces of that size.
func cutPieces(b []byte, size int) [][]byte {
	var pieces [][]byte
	for len(b) > 0 {
		n := min(max(size, 1), len(b))
		pieces = append(pieces, bytes.Clone(b[:n]))
		b = b[n:]
	}
	return pieces
}
