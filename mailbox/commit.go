package mailbox

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// The committer is the only writer, so that quotas, UIDs and counts need no locks and no second look. It builds what
// waits into one batch and syncs that once; only then do callers and open folders learn of it: a UID that a
// client has seen is on the disk.

// request is one caller's change, whole or not at all.
type request struct {
	// run adds the change to the batch. It returns an error only if it has changed nothing; errConflict
	// puts it off to the next batch.
	run func(t *txn) error
	// view, instead of run, looks at what is durable, between two batches.
	view func() error
	size int // bytes, about
	err  error
	done chan struct{} // closed when err is set for good
}

const (
	maxRequests   = 256 // wait for the committer
	maxBatch      = 512 // requests in a batch
	maxBatchBytes = 4 << 20
)

// errConflict tells that a request must see what the batch before it has done to the folder.
var errConflict = errors.New("mailbox: after this batch")

// change has the committer make a change durable. ctx ends the waiting only until the committer has the
// request: then it is done or the store fails.
func (s *Store) change(ctx context.Context, size int, run func(t *txn) error) error {
	return s.submit(ctx, &request{run: run, size: size})
}

// view runs f on the committer between two batches.
func (s *Store) view(ctx context.Context, f func() error) error {
	return s.submit(ctx, &request{view: f})
}

func (s *Store) submit(ctx context.Context, r *request) error {
	if err := s.Err(); err != nil {
		return err
	}
	select {
	case <-s.stop: // select would as likely hand over what nobody takes any more
		return ErrClosed
	default:
	}
	r.done = make(chan struct{})
	select {
	case s.requests <- r:
	case <-ctx.Done():
		return fmt.Errorf("mailbox: waiting for the store: %w", ctx.Err())
	case <-s.stop:
		return ErrClosed
	case <-s.failed:
		return s.why
	}
	select {
	case <-r.done:
		return r.err
	case <-s.failed:
	case <-s.ended:
	}
	select {
	case <-r.done:
		return r.err
	default:
	}
	if err := s.Err(); err != nil {
		return err
	}
	return ErrClosed
}

// commitLoop ends after stop, when what was handed in is done; or within a batch, when Fatalf ends the goroutine
// and nobody of the batch has been told that it is safe.
func (s *Store) commitLoop() {
	defer close(s.ended)
	var next *request // put off by a conflict
	for {
		if next == nil {
			select {
			case next = <-s.requests:
			case <-s.stop:
				select {
				case next = <-s.requests:
				default:
					return
				}
			}
		}
		next = s.batch(next)
		if s.Err() != nil {
			return
		}
	}
}

// batch builds and commits one batch, which begins with first. It returns the request that has to wait for
// the next.
func (s *Store) batch(first *request) (next *request) {
	t := s.newTxn()
	defer func() {
		if s.Err() == nil { // else Pebble may still be at it
			_ = t.batch.Close() // frees memory; the error is always nil
		}
	}()
	group, size := make([]*request, 0, 8), 0
	for r := first; r != nil; r = s.another(len(group), size) {
		if r.run != nil {
			if r.err = r.run(t); errors.Is(r.err, errConflict) {
				next = r
				break
			}
		}
		group = append(group, r)
		size += r.size
	}
	if !s.commit(t) {
		return nil
	}
	for _, publish := range t.publish {
		publish()
	}
	for _, r := range group {
		if r.view != nil {
			r.err = r.view()
		}
		close(r.done)
	}
	s.loaded.shrink(s.budget.folders)
	return next
}

// another takes one more request for the batch, if one waits: a sync costs the same for one as for many, so
// those who can run now may hand in first.
func (s *Store) another(requests, size int) *request {
	if requests >= maxBatch || size >= maxBatchBytes {
		return nil
	}
	for range 2 {
		select {
		case r := <-s.requests:
			return r
		default:
			runtime.Gosched()
		}
	}
	return nil
}

// commit writes and syncs the batch; false if the store has failed.
func (s *Store) commit(t *txn) bool {
	t.finish()
	if t.batch.Empty() {
		return s.Err() == nil
	}
	started := time.Now()
	if err := s.db.Apply(t.batch, pebble.Sync); err != nil {
		s.fail(err)
		return false
	}
	s.counts.synced(time.Since(started))
	return s.Err() == nil
}
