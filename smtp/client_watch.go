package smtp

import (
	"context"
	"net"
	"sync"
	"time"
)

// clientWatch ends waits on a connection when a context does, by moving its deadline into the
// past. A registration is kept for as long as calls come with the same context, so that a
// connection in steady use pays nothing for it.
type clientWatch struct {
	ctx  context.Context
	done <-chan struct{} // of ctx; contexts themselves may not be comparable
	stop func() bool

	mu    sync.Mutex
	conn  net.Conn
	round int  // the registration in force; a late callback of an older one does nothing
	fired bool // the deadline is in the past because of us
}

// begin makes ctx the one that ends waits. The result tells that the deadlines were cleared.
func (w *clientWatch) begin(ctx context.Context) (cleared bool) {
	w.ctx = ctx
	if ctx.Done() == w.done {
		return false
	}
	cleared = w.end()
	w.ctx, w.done = ctx, ctx.Done()
	if w.done != nil {
		round := w.round
		w.stop = context.AfterFunc(ctx, func() { w.fire(round) })
	}
	return cleared
}

func (w *clientWatch) fire(round int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if round == w.round {
		w.fired = true
		w.conn.SetDeadline(clientLongAgo())
	}
}

// end gives the registration up and undoes what it may have done to the deadlines.
func (w *clientWatch) end() (cleared bool) {
	if w.stop != nil {
		w.stop()
	}
	w.ctx, w.done, w.stop = nil, nil, nil
	w.mu.Lock()
	defer w.mu.Unlock()
	w.round++
	if cleared = w.fired; cleared {
		w.fired = false
		w.conn.SetDeadline(time.Time{})
	}
	return cleared
}

// err returns the context's error once it has ended.
func (w *clientWatch) err() error {
	if w.ctx == nil {
		return nil
	}
	return w.ctx.Err()
}

func clientLongAgo() time.Time { return time.Unix(1, 0) }
