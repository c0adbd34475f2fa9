package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthaste-mta/posthaste/bench/world"
)

// Load says what is sent to a relay, and how. Without Rate it is a closed loop: each session sends its next
// message when the last was answered. With Rate it is an open loop: message n is due at n/Rate
// after the start whatever came before it, and its latency counts from then, so that a relay
// that stalls pays for all the messages that would have come meanwhile (no coordinated omission).
type Load struct {
	Messages   int     `json:"messages"`
	Sessions   int     `json:"sessions"`        // connections at once
	Rate       float64 `json:"rate,omitempty"`  // messages per second; 0: closed loop
	Reuse      int     `json:"reuse,omitempty"` // messages per connection; 0: no limit
	Size       int     `json:"size"`            // bytes of content
	Recipients int     `json:"recipients"`      // per message
	Domains    int     `json:"domains"`         // recipients go to world.TownDomain(0..Domains-1) in turn
	// Tagged writes recipients as "r3+17" rather than "r3.17": the same mailbox for all numbers.
	Tagged bool `json:"tagged,omitempty"`
	// FirstDomain is added to the domains' numbers.
	FirstDomain int    `json:"first_domain,omitempty"`
	Pipelining  bool   `json:"pipelining,omitempty"`   // MAIL, RCPT and DATA in one write
	First       uint64 `json:"first_number,omitempty"` // number of the first message
	Senders     int    `json:"senders,omitempty"`      // domains that send in turn, at most 256; 0: one
	// Clients is how many public addresses the sessions come from in turn, as a load balancer in front of the relay
	// tells them by the PROXY protocol; 0: the load's own.
	Clients int `json:"clients,omitempty"`
	// Signed puts a DKIM signature on each message.
	Signed bool `json:"signed,omitempty"`
	// Logins is how many names the sessions log in with in turn; 0: nobody logs in.
	Logins int `json:"logins,omitempty"`
}

// Loader carries out a Load once.
type Loader struct {
	Load
	Addr   string
	Oracle *Oracle
	// Above returns what stands above message n, whole header fields; nil: nothing.
	Above func(n uint64) []byte

	// Answered is the latency of the 250: from the last byte of the message written (in an
	// open loop: from the time the message was due) to the reply.
	Answered Histogram

	next    atomic.Uint64
	acked   atomic.Int64
	refused atomic.Int64
	broken  atomic.Int64
	mu      sync.Mutex
	lastErr error
	begin   time.Time
}

// NewLoader makes a Loader for the relay at addr.
func NewLoader(l Load, addr string, o *Oracle) *Loader {
	l.Sessions, l.Recipients = max(1, l.Sessions), max(1, l.Recipients)
	return &Loader{Load: l, Addr: addr, Oracle: o}
}

// LoadResult tells how the sending went.
type LoadResult struct {
	Acked   int64         `json:"acked"`   // messages
	Refused int64         `json:"refused"` // messages answered 4xx or 5xx
	Broken  int64         `json:"broken"`  // messages whose connection failed
	Wall    time.Duration `json:"wall_ns"`
	LastErr string        `json:"last_error,omitempty"`
}

const (
	retryPause = 50 * time.Millisecond // after a failed connection
	giveUp     = 50                    // failed connections in a row end a session
	// rampPause is between the starts of two sessions: some relays have a listen queue of five, and
	// a connection that does not fit waits for seconds.
	rampPause = 2 * time.Millisecond
)

// WarmUp connects each session once, and logs in: the relay shall know by then what it learns of a client only once.
func (l *Loader) WarmUp(ctx context.Context) error {
	for i := range l.Sessions {
		c, err := dialClient(ctx, l.Addr, l.hello(i))
		if err != nil {
			return fmt.Errorf("session %d before the load: %w", i, err)
		}
		c.quit()
	}
	return nil
}

func (l *Load) domain(n uint64, k int) string {
	if l.Domains <= 1 {
		return world.TownDomain(l.FirstDomain)
	}
	return world.TownDomain(l.FirstDomain + int((n*uint64(l.Recipients)+uint64(k))%uint64(l.Domains)))
}

func (l *Load) appendRecipient(b []byte, n uint64, k int) []byte {
	at := len(b)
	b = appendRecipient(b, n, k, l.domain(n, k))
	if l.Tagged {
		b[at+bytes.IndexByte(b[at:], '.')] = '+'
	}
	return b
}

// Run sends all messages and returns when each has been answered or has failed. An error means
// that not one message was acknowledged, or that ctx ended.
func (l *Loader) Run(ctx context.Context) (LoadResult, error) {
	l.begin = time.Now()
	var wg sync.WaitGroup
	for i := range l.Sessions {
		wg.Go(func() { l.session(ctx, i) })
		pause(ctx, rampPause)
	}
	wg.Wait()
	r := LoadResult{Acked: l.acked.Load(), Refused: l.refused.Load(), Broken: l.broken.Load(), Wall: time.Since(l.begin)}
	if l.lastErr != nil {
		r.LastErr = l.lastErr.Error()
	}
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	if r.Acked == 0 && l.Messages > 0 {
		return r, fmt.Errorf("load: no message was accepted by %s: %w", l.Addr, l.lastErr)
	}
	return r, nil
}

// Acked is how many messages were acknowledged so far.
func (l *Loader) Acked() int64 { return l.acked.Load() }

// session sends messages one after the other until there are none left.
func (l *Loader) session(ctx context.Context, number int) {
	maker := newLettersOf(l.Size, l.Senders)
	hello := l.hello(number)
	var content []byte
	var c *client
	defer func() {
		if c != nil {
			c.quit()
		}
	}()
	failures := 0
	for ctx.Err() == nil {
		i := l.next.Add(1) - 1
		if i >= uint64(l.Messages) {
			return
		}
		due := l.waitDue(ctx, i)
		n := l.First + i
		content = content[:0]
		if l.Above != nil {
			content = append(content, l.Above(n)...)
		}
		content = stuff(content, maker.make(n))
		err := l.one(ctx, &c, hello, n, content, due)
		switch {
		case err == nil, errors.As(err, new(errRefused)):
			failures = 0
		default:
			if failures++; failures >= giveUp {
				return
			}
			pause(ctx, retryPause)
		}
	}
}

// one sends message n, connecting first if need be.
func (l *Loader) one(ctx context.Context, c **client, h hello, n uint64, content []byte, due time.Time) (err error) {
	defer func() { l.note(n, err) }()
	if *c == nil {
		if *c, err = dialClient(ctx, l.Addr, h); err != nil {
			*c = nil
			return err
		}
	}
	l.Oracle.Sending(n)
	err = (*c).send(&l.Load, n, content, func() {
		if due.IsZero() {
			due = time.Now()
		}
	})
	if err == nil {
		l.Oracle.Acked(n)
		l.Answered.Add(time.Since(due))
	}
	refused := errors.As(err, new(errRefused))
	if refused {
		l.Oracle.Refused(n)
	}
	switch {
	case err != nil && !refused:
		(*c).close()
		*c = nil
	case l.Reuse > 0 && (*c).used >= l.Reuse:
		(*c).quit()
		*c = nil
	}
	return err
}

func (l *Loader) note(n uint64, err error) {
	switch {
	case err == nil:
		l.acked.Add(1)
		return
	case errors.As(err, new(errRefused)):
		l.refused.Add(1)
	default:
		l.broken.Add(1)
	}
	l.mu.Lock()
	l.lastErr = fmt.Errorf("message %d: %w", n, err)
	l.mu.Unlock()
}

// waitDue waits until message i is due and returns when that was; the zero time in a closed loop.
func (l *Loader) waitDue(ctx context.Context, i uint64) time.Time {
	if l.Rate <= 0 {
		return time.Time{}
	}
	due := l.begin.Add(time.Duration(float64(i) / l.Rate * float64(time.Second)))
	pause(ctx, time.Until(due))
	return due
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// stuff appends content to b with a second dot before each line that begins with one (RFC 5321 4.5.2).
func stuff(b, content []byte) []byte {
	if len(content) > 0 && content[0] == '.' {
		b = append(b, '.')
	}
	for {
		i := bytes.Index(content, []byte("\r\n."))
		if i < 0 {
			return append(b, content...)
		}
		b = append(append(b, content[:i+3]...), '.')
		content = content[i+3:]
	}
}
