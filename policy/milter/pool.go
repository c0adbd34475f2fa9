package milter

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// pool is a filter's connections: bounded in number, and kept for a while for the client's next message. The protocol
// has a command that lets the message of another client follow (SMFIC_QUIT_NC), but filters hang or abort at it, so
// a connection has one client. A filter that does not even refuse connections is left alone for a moment, so that
// not every message waits for it in vain.
type pool struct {
	opt     Options
	counter *counter
	slots   chan struct{} // one for each connection that serves a message

	mu     sync.Mutex
	free   []*conn // the last used last
	closed bool
	mute   time.Time // until then connecting is not tried
	why    error     // what happened when it was tried last
}

// muteTime is how long a filter that let the connection time out is left alone.
const muteTime = 5 * time.Second

func newPool(o Options, c *counter) *pool {
	return &pool{opt: o, counter: c, slots: make(chan struct{}, o.Connections)}
}

// get returns a connection that is ready for a message of the client. It waits while all are in use.
func (p *pool) get(ctx context.Context, client Session) (*conn, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("all %d connections are in use: %w", p.opt.Connections, context.Cause(ctx))
	}
	c, err := p.kept(client)
	if c == nil && err == nil {
		c, err = p.dial(ctx)
	}
	if err != nil {
		<-p.slots
		return nil, err
	}
	c.client = client
	return c, nil
}

// kept returns a connection that served the client before, or nil.
func (p *pool) kept(client Session) (*conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	for i := len(p.free) - 1; i >= 0; i-- {
		c := p.free[i]
		if c.client != client || !c.idle.Stop() { // one whose time is over is closed by expire
			continue
		}
		p.free = slices.Delete(p.free, i, i+1)
		c.reused = true
		p.counter.reused.Add(1)
		return c, nil
	}
	if time.Now().Before(p.mute) {
		return nil, fmt.Errorf("not tried again yet: %w", p.why)
	}
	return nil, nil
}

// dial opens a connection and agrees on the protocol.
func (p *pool) dial(caller context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(caller, p.opt.Connect)
	defer cancel()
	p.counter.dials.Add(1)
	c, err := p.connect(ctx)
	if err != nil && ctx.Err() != nil && caller.Err() == nil {
		p.silence(err)
	}
	return c, err
}

func (p *pool) connect(ctx context.Context) (*conn, error) {
	n, err := p.opt.Dial(ctx)
	if err != nil {
		return nil, err
	}
	c := newConn(&p.opt, n)
	stop := context.AfterFunc(ctx, c.interrupt)
	err = c.negotiate()
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = n.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
		return nil, err
	}
	return c, nil
}

func (p *pool) silence(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute, p.why = time.Now().Add(muteTime), why
}

// put takes a connection back after its message. It is kept for the client's next one if the filter gave its
// decision at the end of the message, where the next may follow.
func (p *pool) put(c *conn, good bool) {
	switch {
	case !good:
		_ = c.net.Close()
	case c.ended && p.keep(c):
	default:
		c.quit()
	}
	<-p.slots
}

func (p *pool) keep(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if len(p.free) == p.opt.Connections {
		oldest := p.free[0]
		p.free = slices.Delete(p.free, 0, 1)
		if oldest.idle.Stop() {
			oldest.idle.Reset(0) // its timer says good-bye, nobody waits for that
		}
	}
	c.idle = time.AfterFunc(p.opt.Idle, func() { p.expire(c) })
	p.free = append(p.free, c)
	return true
}

// expire closes a connection that nobody has used for a while.
func (p *pool) expire(c *conn) {
	p.mu.Lock()
	p.free = slices.DeleteFunc(p.free, func(other *conn) bool { return other == c })
	p.mu.Unlock()
	c.quit()
}

func (p *pool) close() {
	p.mu.Lock()
	free := p.free
	p.free, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range free {
		if c.idle.Stop() {
			c.quit()
		}
	}
}

// idle returns how many connections are kept.
func (p *pool) idle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.free)
}
