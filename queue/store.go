package queue

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"
)

// store is Pebble with our settings, and the one place that knows how it fails.
type store struct {
	*pebble.DB
	log *zap.Logger
	// failed is closed when the store can promise nothing any more; why is set before.
	failed chan struct{}
	once   sync.Once
	why    error
	// trouble is called with errors of flushes and compactions, which Pebble tries again.
	trouble func(error)
}

// storeFormat is the version of the files. A later release may raise it; files are then converted at
// Open and earlier releases cannot read them.
const storeFormat = pebble.FormatValueSeparation

// openStore opens the store in dir. Everything that may call Fatalf runs in a goroutine of its own,
// which Fatalf can end.
func openStore(dir string, fs vfs.FS, b budget, readOnly bool, log *zap.Logger, trouble func(error)) (*store, error) {
	s := &store{log: log, failed: make(chan struct{}), trouble: trouble}
	var opened atomic.Bool
	o := storeOptions(&failFS{FS: fs, fail: s.fail, open: &opened}, b, readOnly)
	o.Logger = (*storeLogger)(s)
	o.EventListener = s.events()
	defer o.Cache.Unref()
	err := s.contain(func() (err error) {
		s.DB, err = pebble.Open(dir, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("queue: cannot open the store in %s: %w%s", dir, err, advice(err))
	}
	opened.Store(true)
	return s, nil
}

// advice tells an operator what to do about an error of Open.
func advice(err error) string {
	if pebble.IsCorruptionError(err) {
		return " (a file is damaged; keep a copy of the folder, then restore the newest backup)"
	}
	return ""
}

func storeOptions(fs vfs.FS, b budget, readOnly bool) *pebble.Options {
	o := &pebble.Options{
		FS:                          fs,
		ReadOnly:                    readOnly,
		FormatMajorVersion:          storeFormat,
		Cache:                       pebble.NewCache(b.blockCache),
		MemTableSize:                uint64(b.memTable),
		MemTableStopWritesThreshold: memTables,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       200,
		LBaseMaxBytes:               256 << 20,
		FlushDelayDeleteRange:       5 * time.Second,
		// A sync at this distance keeps the final one short without a second queue of writes.
		WALBytesPerSync: 0,
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.TargetFileSizes[i] = 16 << 20 // keys and small records only: a flush is one or two files
	}
	// Contents leave the tables for blob files when they are first written to one, and are not
	// copied again by compactions.
	o.Experimental.ValueSeparationPolicy = func() pebble.ValueSeparationPolicy {
		return pebble.ValueSeparationPolicy{
			Enabled:               true,
			MinimumSize:           1024,
			MaxBlobReferenceDepth: 100,
			RewriteMinimumAge:     time.Minute,
			TargetGarbageRatio:    0.2,
		}
	}
	return o
}

func (s *store) events() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			s.log.Error("queue: background work of the store failed and will be tried again", zap.Error(err))
			s.trouble(err)
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			s.log.Error("queue: a file of the store is damaged", zap.String("path", i.Path), zap.Error(i.Details))
		},
		DiskSlow: func(i pebble.DiskSlowInfo) {
			s.log.Warn("queue: the disk is slow", zap.String("what", i.String()))
		},
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			s.log.Warn("queue: writes wait for the store", zap.String("why", i.Reason))
		},
		PossibleAPIMisuse: func(i pebble.PossibleAPIMisuseInfo) {
			s.log.Error("queue: a key was set twice", zap.String("what", i.String()))
		},
	}
}

// fail marks the store as failed.
func (s *store) fail(err error) {
	s.once.Do(func() {
		s.why = fmt.Errorf("%w: %w", ErrFailed, err)
		s.log.Error("queue: the store has failed; nothing is acknowledged any more", zap.Error(err))
		close(s.failed)
	})
}

// err is not nil once the store has failed.
func (s *store) err() error {
	select {
	case <-s.failed:
		return s.why
	default:
		return nil
	}
}

// contain runs f, which may end in Fatalf or never, and returns the failure as an error then.
func (s *store) contain(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-s.failed:
		return s.why
	}
}

// close ends the store. One that has failed is left as it is: closing would touch the files that
// can no longer be trusted, and what counts is on disk.
func (s *store) close() error {
	if s.err() != nil {
		return nil
	}
	return s.contain(s.DB.Close)
}

// storeLogger is Pebble's logger. Its Fatalf must never return: after a failed commit Pebble would
// go on and report success. It ends the calling goroutine, which contain or the committer expects.
type storeLogger store

// Infof drops Pebble's diary.
func (l *storeLogger) Infof(string, ...any) {}

// Errorf passes on what Pebble complains about.
func (l *storeLogger) Errorf(format string, args ...any) {
	l.log.Error("queue: store: " + fmt.Sprintf(format, args...))
}

// Fatalf fails the store and ends the goroutine.
func (l *storeLogger) Fatalf(format string, args ...any) {
	(*store)(l).fail(fmt.Errorf(format, args...))
	runtime.Goexit()
}
