package smtptest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipeBuffer is how many bytes one direction of a Pipe holds, like a socket's buffers.
const pipeBuffer = 256 << 10

// Pipe returns both ends of a connection in memory. Unlike net.Pipe's, its writes return at once
// while there is room in its buffers.
func Pipe() (a, b net.Conn) {
	ab, ba := newStream(), newStream()
	return &pipeEnd{in: ba, out: ab}, &pipeEnd{in: ab, out: ba}
}

// pipeEnd is one end of a Pipe.
type pipeEnd struct{ in, out *stream }

func (p *pipeEnd) Read(b []byte) (int, error)  { return p.in.read(b) }
func (p *pipeEnd) Write(b []byte) (int, error) { return p.out.write(b) }

// Close lets the other end read what is buffered and then io.EOF.
func (p *pipeEnd) Close() error {
	p.out.end(io.EOF, syscall.EPIPE)
	p.in.end(net.ErrClosed, syscall.EPIPE)
	return nil
}

// Reset breaks the connection as a TCP RST does: what is buffered is lost.
func (p *pipeEnd) Reset() {
	for _, s := range []*stream{p.in, p.out} {
		s.mu.Lock()
		s.buf = nil
		s.mu.Unlock()
		s.end(syscall.ECONNRESET, syscall.ECONNRESET)
	}
}

func (p *pipeEnd) LocalAddr() net.Addr  { return pipeAddr{} }
func (p *pipeEnd) RemoteAddr() net.Addr { return pipeAddr{} }

func (p *pipeEnd) SetDeadline(t time.Time) error {
	p.SetReadDeadline(t)
	return p.SetWriteDeadline(t)
}
func (p *pipeEnd) SetReadDeadline(t time.Time) error  { p.in.readBy.set(p.in, t); return nil }
func (p *pipeEnd) SetWriteDeadline(t time.Time) error { p.out.writeBy.set(p.out, t); return nil }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// stream is one direction.
type stream struct {
	mu              sync.Mutex
	changed         *sync.Cond
	buf             []byte
	readErr         error // for a reader, once buf is empty
	writeErr        error
	readBy, writeBy deadline
}

func newStream() *stream {
	s := &stream{}
	s.changed = sync.NewCond(&s.mu)
	return s
}

func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		case s.readErr == net.ErrClosed: // closed on this side: nothing more is delivered
			return 0, s.readErr
		case len(s.buf) > 0 || len(b) == 0:
			n := copy(b, s.buf)
			s.buf = s.buf[n:]
			s.changed.Broadcast()
			return n, nil
		case s.readErr != nil:
			return 0, s.readErr
		}
		s.changed.Wait()
	}
}

func (s *stream) write(b []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch room := pipeBuffer - len(s.buf); {
		case s.writeErr != nil:
			return n, s.writeErr
		case s.writeBy.passed():
			return n, os.ErrDeadlineExceeded
		case n == len(b):
			return n, nil
		case room > 0:
			k := min(room, len(b)-n)
			s.buf = append(s.buf, b[n:n+k]...)
			n += k
			s.changed.Broadcast()
		default:
			s.changed.Wait()
		}
	}
}

// end makes reads and writes fail from now on; the first end counts for writes, and so that a
// later close of the reader's own side shows, that one for reads.
func (s *stream) end(readErr, writeErr error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readErr == nil || readErr == net.ErrClosed {
		s.readErr = readErr
	}
	if s.writeErr == nil {
		s.writeErr = writeErr
	}
	s.changed.Broadcast()
}

// deadline wakes a stream up when it passes. It is guarded by the stream's mu.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) set(s *stream, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.at = t
	if wait := time.Until(t); !t.IsZero() && wait > 0 {
		d.timer = time.AfterFunc(wait, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changed.Broadcast()
		})
	}
	s.changed.Broadcast()
}
