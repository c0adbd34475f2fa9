package milter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Failure is what becomes of a message when its filter cannot be asked.
type Failure byte

// The two answers to a dead, slow or broken filter.
const (
	Tempfail Failure = iota // 451 4.7.1: the client comes again
	Pass                    // the message goes on as if the filter had accepted it
)

// Options says where a filter is and what it may cost. The zero value of everything but Address is a default.
type Options struct {
	// Name stands in errors, metrics and replies of the caller.
	Name string
	// Network is tcp or unix, Address host:port or the path of the socket.
	Network, Address string
	// Hostname is ours: the macro j.
	Hostname string
	// Version is the macro v, such as "posthaste 1.0".
	Version string
	// OnFailure decides about mail when the filter does not.
	OnFailure Failure
	// Connect bounds the connection and the agreement on the protocol; 10 s.
	Connect time.Duration
	// Command bounds the wait for each answer; a filter that reports progress gets it anew; 30 s.
	Command time.Duration
	// Message bounds all that one message takes, the wait for a free connection too; 5 min.
	Message time.Duration
	// Idle is how long a connection is kept for the client's next message; 10 s.
	Idle time.Duration
	// Connections is the most messages being looked at, each on its connection; as many again may be kept; 16.
	Connections int
	// MaxAnswer bounds what a filter may send for one message, in bytes: changes and the new body; 64 MiB.
	MaxAnswer int64
	// Dial opens a connection; nil: to Network and Address.
	Dial func(ctx context.Context) (net.Conn, error)
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		value *time.Duration
		is    time.Duration
	}{{&o.Connect, 10 * time.Second}, {&o.Command, 30 * time.Second}, {&o.Message, 5 * time.Minute}, {&o.Idle, 10 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.is
		}
	}
	if o.Network == "" {
		o.Network = "tcp"
	}
	if o.Name == "" {
		o.Name = o.Address
	}
	if o.Connections <= 0 {
		o.Connections = 16
	}
	if o.MaxAnswer <= 0 {
		o.MaxAnswer = 64 << 20
	}
	if o.Dial == nil {
		dialer, network, address := new(net.Dialer), o.Network, o.Address
		o.Dial = func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, network, address) }
	}
	return o
}

// ErrClosed is the error of a scan after Close.
var ErrClosed = errors.New("milter: scanner is closed")

// Scanner asks one filter. It is safe for concurrent use.
type Scanner struct {
	opt     Options
	pool    *pool
	counter counter
}

// New makes a Scanner; nothing is connected before the first message.
func New(o Options) (*Scanner, error) {
	switch o.Network {
	case "", "tcp", "tcp4", "tcp6", "unix":
	default:
		return nil, fmt.Errorf("milter %s: %q is not a network: tcp or unix", o.Name, o.Network)
	}
	if o.Address == "" && o.Dial == nil {
		return nil, fmt.Errorf("milter %s: no address", o.Name)
	}
	o = o.withDefaults()
	s := &Scanner{opt: o}
	s.pool = newPool(o, &s.counter)
	return s, nil
}

// Name returns the filter's name.
func (s *Scanner) Name() string { return s.opt.Name }

// Close ends the unused connections; scans under way come to their end, further ones fail.
func (s *Scanner) Close() { s.pool.close() }

// Scan shows a message to the filter. It always decides: when the filter fails, the verdict is that of OnFailure
// and its Err tells why.
func (s *Scanner) Scan(ctx context.Context, m Message) Verdict {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.opt.Message)
	defer cancel()
	v, err := s.ask(ctx, &m)
	if err == nil {
		v.Scanner = s.opt.Name
	} else {
		v = s.failed(err)
	}
	s.counter.scanned(v, time.Since(begun))
	return v
}

// ask scans once, and once more over a new connection if one that was kept turns out to be dead: the filter may
// have been restarted in between. Nothing of the message is lost by that, it is all in memory.
func (s *Scanner) ask(ctx context.Context, m *Message) (Verdict, error) {
	for {
		c, err := s.pool.get(ctx, m.Session)
		if err != nil {
			return Verdict{}, err
		}
		v, err := s.converse(ctx, c, m)
		s.pool.put(c, err == nil)
		if err == nil || !c.reused || ctx.Err() != nil || errors.Is(err, errProtocol) || errors.Is(err, os.ErrDeadlineExceeded) {
			return v, err
		}
	}
}

// converse has one conversation; the end of ctx cuts it short.
func (s *Scanner) converse(ctx context.Context, c *conn, m *Message) (Verdict, error) {
	stop := context.AfterFunc(ctx, c.interrupt)
	defer stop()
	answer, err := c.scan(m)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
		return Verdict{}, err
	}
	return answer.verdict(m)
}

// failed is the verdict when there is none.
func (s *Scanner) failed(err error) Verdict {
	v := Verdict{Scanner: s.opt.Name, Err: fmt.Errorf("milter %s: %w", s.opt.Name, err)}
	if s.opt.OnFailure == Tempfail {
		v.Action, v.Status = ActionTempfail, statusNotScanned
	}
	return v
}
