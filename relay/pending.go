package relay

import "context"

// pending is an answer that is looked for while the client goes on. Only its session waits for it.
type pending[T any] struct {
	cancel context.CancelFunc
	done   chan struct{} // nil: the answer was there at once
	value  T
}

// lookFor starts to look, until ctx ends or stop is called.
func lookFor[T any](ctx context.Context, look func(context.Context) T) *pending[T] {
	ctx, cancel := context.WithCancel(ctx)
	p := &pending[T]{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		defer cancel()
		p.value = look(ctx)
	}()
	return p
}

// knew returns an answer that nobody needs to look for.
func knew[T any](value T) *pending[T] { return &pending[T]{value: value} }

// wait returns the answer when it is there; nil if nobody has begun to look.
func (p *pending[T]) wait() *T {
	if p == nil {
		return nil
	}
	if p.done != nil {
		<-p.done
	}
	return &p.value
}

// stop gives up looking and returns when that has ended: so a client that begins again and again has us look for one
// answer at a time.
func (p *pending[T]) stop() {
	if p != nil && p.done != nil {
		p.cancel()
		<-p.done
	}
}
