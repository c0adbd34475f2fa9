package auth

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	// maxHashing bounds the argon2 computations at a time, each of which holds its memory.
	maxHashing = 2
	// maxHashWaiting bounds who waits for that: some five seconds of work.
	maxHashWaiting = 256
	// maxHashWait bounds the wait; mail clients give up later than that.
	maxHashWait = 20 * time.Second
)

// hasher keeps guessing from eating memory: a few computations at a time, a bounded line before them.
type hasher struct {
	slots   chan struct{}
	waiting atomic.Int32
}

func newHasher() *hasher { return &hasher{slots: make(chan struct{}, maxHashing)} }

// run calls work when its turn comes. admit is asked first, at that time, because much may have
// failed meanwhile. The error is admit's, or ErrBusy.
func (h *hasher) run(ctx context.Context, admit func() error, work func()) error {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > maxHashWaiting {
		return ErrBusy
	}
	ctx, cancel := context.WithTimeout(ctx, maxHashWait)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return ErrBusy
	}
	if admit != nil {
		if err := admit(); err != nil {
			return err
		}
	}
	work()
	return nil
}
