package mailbox

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"

	"github.com/cockroachdb/pebble/v2"
	"go.uber.org/zap"
)

// Pebble ends the process when it cannot go on. The relay must end in order, or go on without local mail; so
// whatever may meet a fatal error runs in a goroutine that can be given up. (Queue and policy do the same for
// their stores; the three do not know each other.)

// fail marks the store as failed.
func (s *Store) fail(err error) {
	s.failOnce.Do(func() {
		s.why = fmt.Errorf("%w: %w", ErrFailed, err)
		s.log.Error("mailbox: the store has failed; nothing is acknowledged any more", zap.Error(err))
		close(s.failed)
	})
}

// Failed is closed when a write or sync has failed: the process should end in order.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Err is nil while the store works; ErrFailed with its cause once it does not.
func (s *Store) Err() error {
	select {
	case <-s.failed:
		return s.why
	default:
		return nil
	}
}

// contain runs f, which may end in Fatalf or never, and returns the failure as an error then. What f sets
// must not be read after an error.
func (s *Store) contain(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-s.failed:
		return s.why
	}
}

// damaged hears of damage from whoever reads it. A compaction would go on to panic, now and after every
// start. So it never comes back: the rest works on without it.
func (s *Store) damaged(i pebble.DataCorruptionInfo) {
	s.log.Error("mailbox: a file of the store is damaged", zap.String("path", i.Path), zap.Error(i.Details))
	stack := make([]byte, 64<<10)
	stack = stack[:runtime.Stack(stack, false)]
	if bytes.Contains(stack, []byte(".runCompaction(")) {
		s.log.Error("mailbox: the store can no longer be compacted and will grow", zap.String("path", i.Path))
		s.stuckOnce.Do(func() { close(s.stuck) })
		select {}
	}
}

// closeDB ends Pebble. A failed store is left as it is: closing would touch files that can no longer be
// trusted.
func (s *Store) closeDB() error {
	if s.Err() != nil {
		return nil
	}
	// Damage at the end of a log looks as if the end had never been written; in a table it is found.
	err := s.contain(s.db.Flush)
	closed := make(chan error, 1)
	go func() { closed <- s.contain(s.db.Close) }()
	select {
	case closing := <-closed:
		return errors.Join(err, closing, s.lock.Close())
	case <-s.stuck: // Close waits for the compaction
		return err
	}
}

// logger is Pebble's logger. Its Fatalf must never return: after a failed commit Pebble would go on and
// report success.
type logger Store

// Infof drops Pebble's diary.
func (l *logger) Infof(string, ...any) {}

// Errorf passes on what Pebble complains about.
func (l *logger) Errorf(text string, args ...any) {
	l.log.Error("mailbox: " + fmt.Sprintf(text, args...))
}

// Fatalf fails the store and ends the goroutine, which contain or the committer expects.
func (l *logger) Fatalf(text string, args ...any) {
	(*Store)(l).fail(fmt.Errorf(text, args...))
	runtime.Goexit()
}
