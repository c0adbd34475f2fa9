package inbound

import (
	"context"
	"sync"
	"time"
)

// patience is a context whose time runs from when somebody first waits for it. Most answers come out of the resolver's cache,
// where nobody waits; a timer and the parent's list of children cost more than such an answer.
type patience struct {
	context.Context // the parent
	limit           time.Duration

	mu      sync.Mutex
	ended   bool
	waiting context.Context // nil as long as nobody waits
	cancel  context.CancelFunc
}

// withPatience returns a context that ends limit after the first wait. end must follow.
func withPatience(parent context.Context, limit time.Duration) *patience {
	return &patience{Context: parent, limit: limit}
}

// arm returns the context to wait for.
func (p *patience) arm() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil {
		p.waiting, p.cancel = context.WithTimeout(p.Context, p.limit)
		if p.ended {
			p.cancel()
		}
	}
	return p.waiting
}

// end ends the context.
func (p *patience) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.cancel != nil {
		p.cancel()
	}
}

// Done implements context.Context; the time runs from now on.
func (p *patience) Done() <-chan struct{} { return p.arm().Done() }

// Deadline implements context.Context; the time runs from now on.
func (p *patience) Deadline() (time.Time, bool) { return p.arm().Deadline() }

// Err implements context.Context. The time does not run for its sake.
func (p *patience) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.waiting != nil:
		return p.waiting.Err()
	case p.ended:
		return context.Canceled
	default:
		return p.Context.Err()
	}
}
