package imap

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	readBuffer = 4 << 10
	// flushAt is how much output is gathered before it is written. The library flushes every line, which would
	// be a system call and a TLS record for each message of a FETCH.
	flushAt = 32 << 10
)

// errLineTooLong ends a connection: where the next command begins is not known.
var errLineTooLong = errors.New("line too long")

// link is the octets to and from a client. One goroutine reads; any may write.
type link struct {
	cfg  *Config
	tcp  net.Conn
	conn net.Conn // tcp, or TLS over it
	tls  *tls.ConnectionState
	in   *bufio.Reader

	until    time.Time       // when the reader's patience ends altogether; zero: CommandTimeout alone counts
	draining <-chan struct{} // closed: the server ends
	waiting  atomic.Bool     // for a command; so no reading is disturbed

	mu     sync.Mutex // guards what follows
	out    []byte
	broken error // a write failed: nothing is written any more
}

func newLink(conn net.Conn, cfg *Config) *link {
	return &link{cfg: cfg, tcp: conn, conn: conn, in: bufio.NewReaderSize(conn, readBuffer)}
}

// startTLS puts TLS over the connection. What the client sent in clear behind STARTTLS must be refused
// before.
func (l *link) startTLS(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	conn := tls.Server(l.conn, l.cfg.TLS)
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	state := conn.ConnectionState()
	l.mu.Lock()
	l.conn, l.tls = conn, &state
	l.mu.Unlock()
	l.in.Reset(conn)
	return nil
}

// errDraining ends a connection because the server ends.
var errDraining = errors.New("server ends")

// wait flushes and waits for the client's next octet: errDraining if the server ends meanwhile.
func (l *link) wait(until time.Time) error {
	if err := l.flush(); err != nil {
		return err
	}
	if l.isDraining() {
		return errDraining
	}
	if l.in.Buffered() > 0 {
		return nil
	}
	l.waiting.Store(true)
	defer l.waiting.Store(false)
	if err := l.conn.SetReadDeadline(until); err != nil {
		return err
	}
	if l.isDraining() {
		return errDraining
	}
	_, err := l.in.Peek(1)
	if err != nil && l.isDraining() {
		return errDraining
	}
	return err
}

func (l *link) isDraining() bool {
	select {
	case <-l.draining:
		return true
	default:
		return false
	}
}

// wake ends a wait, once the server is draining.
func (l *link) wake() {
	if l.waiting.Load() {
		_ = l.tcp.SetReadDeadline(time.Now()) // it may be closed
	}
}

// line reads a line without its CR LF or LF. The result holds until the next read.
func (l *link) line(limit int) ([]byte, error) {
	if err := l.conn.SetReadDeadline(l.patience()); err != nil {
		return nil, err
	}
	line, err := l.in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		line = append(make([]byte, 0, 2*readBuffer), line...)
		for err == bufio.ErrBufferFull {
			if len(line) > limit {
				return nil, errLineTooLong
			}
			var more []byte
			more, err = l.in.ReadSlice('\n')
			line = append(line, more...)
		}
	}
	if err != nil {
		return nil, err
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if len(line) > limit {
		return nil, errLineTooLong
	}
	return line, nil
}

// read reads octets of a literal.
func (l *link) read(p []byte) (int, error) {
	if l.in.Buffered() == 0 {
		if err := l.conn.SetReadDeadline(l.patience()); err != nil {
			return 0, err
		}
	}
	return l.in.Read(p)
}

// patience is when a read within a command must have ended. Octets that trickle in must not move it for ever.
func (l *link) patience() time.Time {
	t := time.Now().Add(l.cfg.CommandTimeout)
	if !l.until.IsZero() && l.until.Before(t) {
		return l.until
	}
	return t
}

// minRate is how many octets a second a client must send or take of what is large.
const minRate = 8 << 10

// sizeTime is how long a client may take for that many octets.
func sizeTime(size int64) time.Duration { return time.Duration(size/minRate) * time.Second }

// write gathers output.
func (l *link) write(p []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return l.broken
	}
	if len(l.out)+len(p) < flushAt {
		l.out = append(l.out, p...)
		return nil
	}
	if err := l.flushLocked(); err != nil {
		return err
	}
	return l.send(p)
}

// flush writes what was gathered.
func (l *link) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.flushLocked()
	if cap(l.out) > readBuffer {
		l.out = nil // an idle connection holds no buffer
	}
	return err
}

func (l *link) flushLocked() error {
	if l.broken != nil || len(l.out) == 0 {
		return l.broken
	}
	err := l.send(l.out)
	l.out = l.out[:0]
	return err
}

// send writes to the connection. A client that does not read loses it.
func (l *link) send(p []byte) error {
	last := time.Now().Add(l.cfg.WriteTimeout + sizeTime(int64(len(p))))
	for len(p) > 0 {
		n := min(len(p), flushAt)
		deadline := time.Now().Add(l.cfg.WriteTimeout)
		if deadline.After(last) {
			deadline = last
		}
		err := l.conn.SetWriteDeadline(deadline)
		if err == nil {
			_, err = l.conn.Write(p[:n])
		}
		if err != nil {
			l.broken = fmt.Errorf("write: %w", err)
			_ = l.tcp.Close() // wakes the reader; the error is told already
			return l.broken
		}
		p = p[n:]
	}
	return nil
}

// hangUp ends the connection at once; it may be called at any time, also while others read and write.
func (l *link) hangUp() {
	_ = l.tcp.Close() // without the lock: somebody may hold it to write to a client that does not read
}

// close flushes and ends the connection.
func (l *link) close() {
	_ = l.flush() // the client may be gone
	_ = l.conn.Close()
}
