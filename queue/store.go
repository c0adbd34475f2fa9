package queue

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/errors/oserror"
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
	trouble  func(error)
	readOnly bool
	spare    *spare
	// stuck is closed when a compaction has met damage and will not end.
	stuck     chan struct{}
	stuckOnce sync.Once
}

// storeFormat is the version of the files. A later release may raise it; files are then converted at
// Open and earlier releases cannot read them.
// Values stay in the tables: blob files (value separation) would spare a backlog a fifth of its
// processor time, but in this release of Pebble a damaged one panics where nobody can recover.
const storeFormat = pebble.FormatTableFormatV6

// openStore opens the store in dir. Everything that may call Fatalf runs in a goroutine of its own,
// which Fatalf can end.
func openStore(dir string, fs vfs.FS, b budget, spare *spare, readOnly bool, log *zap.Logger, trouble func(error)) (*store, error) {
	s := &store{
		log: log, failed: make(chan struct{}), trouble: trouble, readOnly: readOnly, stuck: make(chan struct{}),
		spare: spare,
	}
	var opened atomic.Bool
	below := &failFS{FS: fs, dir: dir, fail: s.fail, open: &opened}
	var err error
	if !readOnly {
		err = s.create(dir, below, b)
		below.spare = s.spare
	}
	if err == nil {
		err = s.openDB(dir, below, b, readOnly)
	}
	if err == nil {
		if err = s.contain(s.checkTables); err != nil {
			_ = s.contain(s.DB.Close) // that the tables are damaged is the error to tell
		}
	}
	if err != nil {
		return nil, fmt.Errorf("queue: cannot open the store in %s: %w%s", dir, err, advice(err))
	}
	opened.Store(true)
	return s, nil
}

func (s *store) openDB(dir string, fs vfs.FS, b budget, readOnly bool) error {
	o := storeOptions(fs, b, readOnly)
	o.Logger = (*storeLogger)(s)
	o.EventListener = s.events()
	defer o.Cache.Unref()
	return s.contain(func() (err error) {
		s.DB, err = pebble.Open(dir, o)
		return err
	})
}

// create makes a store of the newest format if there is none, or raises an older one to it. Pebble
// raises the format after it has begun a log in the old one, whose damage cannot be told from an end
// that was never written; so it is closed again.
func (s *store) create(dir string, fs vfs.FS, b budget) error {
	found, err := pebble.Peek(dir, fs)
	if err == nil && found.Exists && found.FormatMajorVersion >= storeFormat {
		return nil
	}
	if err != nil && !oserror.IsNotExist(err) {
		return err
	}
	if err := s.openDB(dir, fs, b, false); err != nil {
		return err
	}
	if err := s.contain(s.DB.Close); err != nil {
		return err
	}
	if err := s.spare.make(func() bool { return true }); err != nil {
		s.log.Debug("queue: no spare log", zap.Error(err)) // mail is as safe without
	}
	return nil
}

// checkTables opens every table once. One that cannot be opened at all would not stop Pebble, but
// keep a processor busy for good with trying again.
func (s *store) checkTables() error {
	_, err := s.SSTables(pebble.WithProperties())
	return err
}

// advice tells an operator what to do about an error of Open.
func advice(err error) string {
	what := "a file of it"
	switch {
	case !pebble.IsCorruptionError(err):
		return ""
	case strings.Contains(err.Error(), "replaying WAL"):
		what = "one of the .log files in it"
	}
	return " (" + what + " is damaged: keep a copy of the folder, then restore the newest backup)"
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
		L0CompactionThreshold:       8,
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
	return o
}

func (s *store) events() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			s.log.Error("queue: background work of the store failed and will be tried again", zap.Error(err))
			s.trouble(err)
		},
		DataCorruption: s.damaged,
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

// damaged hears of damage from whoever reads it. A compaction would go on to panic, now and after
// every start, if it met the damage beside a removed key. So it never comes back: mail goes on without
// it until an operator restores a backup or has drained the queue.
func (s *store) damaged(i pebble.DataCorruptionInfo) {
	s.log.Error("queue: a file of the store is damaged", zap.String("path", i.Path), zap.Error(i.Details))
	stack := make([]byte, 64<<10)
	stack = stack[:runtime.Stack(stack, false)]
	if bytes.Contains(stack, []byte(".runCompaction(")) {
		s.log.Error("queue: the store can no longer be compacted and will grow", zap.String("path", i.Path))
		s.stuckOnce.Do(func() { close(s.stuck) })
		select {}
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
	err := s.contain(func() error {
		// Damage at the end of a log looks as if the end had never been written; in a table it is
		// found. And the next start has no log to read.
		if s.readOnly {
			return nil
		}
		return s.DB.Flush()
	})
	closed := make(chan error, 1)
	go func() { closed <- s.contain(s.DB.Close) }()
	select {
	case closing := <-closed:
		return errors.Join(err, closing)
	case <-s.stuck: // Close waits for the compaction
		return err
	}
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
