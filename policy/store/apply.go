package store

import (
	"context"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Change sets a key of a table, or removes it.
type Change struct {
	Table Table
	Key   []byte
	Value []byte // nil removes the key; an empty value that is not nil is kept
}

// request is one caller's batch.
type request struct {
	changes []Change
	durable bool
	done    chan struct{} // closed when it is as safe as was asked for
}

const (
	maxRequests   = 256     // wait for the committer
	maxBatchBytes = 1 << 20 // of several callers in one batch
)

// Apply makes the changes as one atomic batch: after a crash all of them are there or none. With
// durable it returns when they are on stable storage. Without, it returns as soon as they can be
// read, and a crash loses at most those of the last FlushInterval.
//
// After an error the changes may be there or not, and if it is the context's they may still be on
// their way: their slices must not be changed. ErrFailed means that a sync failed and that nothing is
// acknowledged any more.
func (s *Store) Apply(ctx context.Context, durable bool, changes ...Change) error {
	if err := s.Err(); err != nil {
		return err
	}
	r := &request{changes: changes, durable: durable, done: make(chan struct{})}
	select {
	case <-s.stop: // select would as likely hand over what nobody takes any more
		return ErrClosed
	default:
	}
	select {
	case s.requests <- r:
	case <-ctx.Done():
		return fmt.Errorf("policy store: waiting for a write: %w", ctx.Err())
	case <-s.stop:
		return ErrClosed
	case <-s.failed:
		return s.why
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("policy store: waiting for a write that may still happen: %w", ctx.Err())
	case <-s.failed:
		return s.why
	case <-s.ended:
	}
	select {
	case <-r.done:
		return nil
	default:
	}
	if err := s.Err(); err != nil {
		return err
	}
	return ErrClosed
}

// commitLoop is the only writer. It gathers what waits into one batch, so that callers share a sync.
// It ends after stop; or within commit, when Fatalf ends the goroutine and nobody of the batch has
// been told that it is safe.
func (s *Store) commitLoop() {
	defer close(s.ended)
	flush := time.NewTimer(FlushInterval)
	flush.Stop()
	defer flush.Stop()
	dirty := false // the timer runs
	for {
		var synced bool
		select {
		case r := <-s.requests:
			synced = s.commit(s.gather(r))
		case <-flush.C:
			synced = s.sync()
		case <-s.stop:
			s.finish()
			return
		}
		switch {
		case s.Err() != nil:
			return
		case synced:
			flush.Stop()
			dirty = false
		case !dirty:
			flush.Reset(FlushInterval)
			dirty = true
		}
	}
}

// finish commits what was handed over before the end, and syncs.
func (s *Store) finish() {
	for {
		select {
		case r := <-s.requests:
			s.commit(s.gather(r))
		default:
			s.sync()
			return
		}
	}
}

// gather takes what else waits.
func (s *Store) gather(first *request) []*request {
	group, size := []*request{first}, first.size()
	for size < maxBatchBytes && len(group) < maxRequests {
		select {
		case r := <-s.requests:
			group = append(group, r)
			size += r.size()
		default:
			return group
		}
	}
	return group
}

func (r *request) size() int {
	n := 0
	for _, c := range r.changes {
		n += len(c.Key) + len(c.Value) + 16
	}
	return n
}

// commit writes the requests as one batch and tells their callers; synced if one wanted that.
func (s *Store) commit(group []*request) (synced bool) {
	batch := s.db.NewIndexedBatch()      // counts look into it
	defer func() { _ = batch.Close() }() // frees memory; the error is always nil
	how := pebble.NoSync
	for _, r := range group {
		if r.durable {
			how = pebble.Sync
		}
		if err := build(batch, r); err != nil {
			s.fail(err)
			return false
		}
	}
	if batch.Empty() && how == pebble.Sync {
		_ = batch.LogData(nil, nil) // something to sync; the error is always nil
	}
	if err := s.db.Apply(batch, how); err != nil {
		s.fail(err)
		return false
	}
	for _, r := range group {
		close(r.done)
	}
	return how == pebble.Sync
}

// build adds a request to the batch.
func build(batch *pebble.Batch, r *request) error {
	for _, c := range r.changes {
		key := c.Table.key(c.Key)
		var err error
		if c.Value == nil {
			err = batch.Delete(key, nil)
		} else {
			err = batch.Set(key, c.Value, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sync makes all that was applied durable.
func (s *Store) sync() bool {
	if err := s.db.LogData(nil, pebble.Sync); err != nil {
		s.fail(err)
		return false
	}
	return true
}
