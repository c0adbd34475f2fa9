package smtptest

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Faults says how a connection misbehaves. The zero value is a good connection.
type Faults struct {
	// ReadCut and WriteCut break the connection after so many bytes in that direction, counted
	// from 1: the bytes before arrive, the next call fails with Err. 0 is never; use CutAtOnce for
	// "before the first byte".
	ReadCut, WriteCut int64
	// Err is what calls return behind a cut; nil is io.EOF for reads and ECONNRESET for writes.
	Err error
	// Odd splits reads and writes into pieces of 1 to Odd bytes; 0 leaves them whole.
	Odd int
	// Seed makes the pieces of Odd; the same seed makes the same pieces.
	Seed uint64
	// StallRead makes reads wait behind so many bytes until Release or Close; 0 is never.
	StallRead int64
}

// CutAtOnce is a cut before the first byte.
const CutAtOnce = -1

// Faulty returns conn with faults.
func Faulty(conn net.Conn, f Faults) *FaultyConn {
	return &FaultyConn{Conn: conn, faults: f, random: rand.New(rand.NewPCG(f.Seed, 0)), moved: make(chan struct{}),
		released: make(chan struct{})}
}

// FaultyConn is a connection with faults. Read and Write may be called concurrently, each by one
// goroutine.
type FaultyConn struct {
	net.Conn
	faults Faults

	mu       sync.Mutex
	random   *rand.Rand
	read     int64
	written  int64
	flights  [][]byte
	readBy   time.Time
	moved    chan struct{} // closed when readBy changes
	once     sync.Once
	released chan struct{}
}

// Release ends the stall.
func (c *FaultyConn) Release() { c.once.Do(func() { close(c.released) }) }

// Close closes the connection; it ends the stall too.
func (c *FaultyConn) Close() error {
	c.Release()
	return c.Conn.Close()
}

// Read reads, with faults.
func (c *FaultyConn) Read(p []byte) (int, error) {
	n, cut := c.allow(len(p), c.read, c.faults.ReadCut)
	if cut {
		c.Conn.Close()
		return 0, c.cutError(io.EOF)
	}
	if s := c.faults.StallRead; s > 0 {
		if left := s - c.read; left > 0 {
			n = int(min(int64(n), left))
		} else {
			if err := c.stall(); err != nil {
				return 0, err
			}
		}
	}
	n, err := c.Conn.Read(p[:n])
	c.read += int64(n)
	return n, err
}

// stall waits until Release, or the read deadline.
func (c *FaultyConn) stall() error {
	for {
		c.mu.Lock()
		at, moved := c.readBy, c.moved
		c.mu.Unlock()
		var passed <-chan time.Time
		if !at.IsZero() {
			t := time.NewTimer(time.Until(at))
			defer t.Stop()
			passed = t.C
		}
		select {
		case <-c.released:
			return nil
		case <-passed:
			return os.ErrDeadlineExceeded
		case <-moved:
		}
	}
}

// SetReadDeadline sets the deadline, of a stall too.
func (c *FaultyConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.readBy = t
	close(c.moved)
	c.moved = make(chan struct{})
	c.mu.Unlock()
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline sets both deadlines.
func (c *FaultyConn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.Conn.SetWriteDeadline(t)
}

// Write writes, with faults. What is written in one call is one flight.
func (c *FaultyConn) Write(p []byte) (n int, err error) {
	defer func() { c.note(p[:n]) }()
	for n < len(p) {
		k, cut := c.allow(len(p)-n, c.written, c.faults.WriteCut)
		if cut {
			c.Conn.Close()
			return n, c.cutError(syscall.ECONNRESET)
		}
		k, err = c.Conn.Write(p[n : n+k])
		n += k
		c.written += int64(k)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// allow returns how many of n bytes may pass now, or that the cut is reached.
func (c *FaultyConn) allow(n int, done, at int64) (allowed int, cut bool) {
	if at == CutAtOnce || at > 0 && done >= at {
		return 0, true
	}
	if at > 0 {
		n = int(min(int64(n), at-done))
	}
	if c.faults.Odd > 0 && n > 1 {
		c.mu.Lock()
		n = min(n, 1+c.random.IntN(c.faults.Odd))
		c.mu.Unlock()
	}
	return n, false
}

func (c *FaultyConn) cutError(usual error) error {
	if c.faults.Err != nil {
		return c.faults.Err
	}
	return usual
}

func (c *FaultyConn) note(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flights = append(c.flights, append([]byte(nil), p...))
}

// Flights returns what was written, a string for each call of Write: what a client had in flight
// at once. A client that writes with net.Buffers makes a call for each of its pieces.
func (c *FaultyConn) Flights() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, f := range c.flights {
		out = append(out, string(f))
	}
	return out
}

// Bytes returns how many bytes were read and written.
func (c *FaultyConn) Bytes() (read, written int64) { return c.read, c.written }

// ErrCut is an error for Faults.Err that no connection returns by itself.
var ErrCut = errors.New("smtptest: cut")
