// Package store keeps what policy must not forget over a restart: credentials, suppressed addresses,
// greylisting triplets, quotas, keys. It is an ordered set of tables in one Pebble store, small in
// memory (about 12 MiB) and apart from the queue's: a full or damaged one here costs no mail.
package store

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"
)

// FlushInterval is how long a change that was not durable may stay unsynced.
const FlushInterval = time.Second

// Options say where the store is.
type Options struct {
	// Dir is the store's folder, made if it is missing.
	Dir string
	// FS is the file system; nil means the real one.
	FS vfs.FS
	// Log hears of a failing disk; nil means silence.
	Log *zap.Logger
}

// Store is an open store. It is safe for concurrent use.
type Store struct {
	db  *pebble.DB
	log *zap.Logger

	// failed is closed when the store can promise nothing any more; why is set before.
	failed   chan struct{}
	failOnce sync.Once
	why      error
	// stuck is closed when a compaction has met damage and will never end.
	stuck     chan struct{}
	stuckOnce sync.Once

	requests chan *request
	stop     chan struct{} // closed to end the committer
	ended    chan struct{} // closed when it has ended
	lock     *pebble.Lock

	mu      sync.Mutex
	users   int  // calls under way that read
	closing bool // no more of them
	idle    sync.Cond
}

// Open opens the store or makes a new one. The error names the folder; it is ErrLocked if a running
// daemon has it open.
func Open(o Options) (*Store, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	s := &Store{
		log: o.Log, failed: make(chan struct{}), stuck: make(chan struct{}),
		requests: make(chan *request, maxRequests), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	s.idle.L = &s.mu
	if err := s.open(o); err != nil {
		return nil, fmt.Errorf("policy store: cannot open %s: %w%s", o.Dir, err, advice(err))
	}
	go s.commitLoop()
	return s, nil
}

func (s *Store) open(o Options) error {
	if err := o.FS.MkdirAll(o.Dir, 0o700); err != nil {
		return err
	}
	var err error
	if s.lock, err = lock(o.Dir, o.FS); err != nil {
		return err
	}
	if err := s.openLocked(o); err != nil {
		return errors.Join(err, s.lock.Close())
	}
	return nil
}

// lock has no other process open the store; ErrLocked if one has it.
func lock(dir string, fs vfs.FS) (*pebble.Lock, error) {
	l, err := pebble.LockDirectory(dir, fs)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) || isOwnLock(err) {
		return nil, ErrLocked
	}
	return l, err
}

func (s *Store) openLocked(o Options) error {
	var opened atomic.Bool
	below := &failFS{FS: o.FS, dir: o.Dir, fail: s.fail, open: &opened}
	if err := s.create(o.Dir, below); err != nil {
		return err
	}
	if err := s.openDB(o.Dir, below); err != nil {
		return err
	}
	if err := s.contain(s.checkTables); err != nil {
		_ = s.contain(s.db.Close) // that the tables are damaged is the error to tell
		return err
	}
	opened.Store(true)
	return nil
}

// create makes the store if there is none, or raises an older one to our format. Pebble raises it
// behind the start of a log in the old format, which hides damage; so that log is closed again.
func (s *Store) create(dir string, fs vfs.FS) error {
	found, err := pebble.Peek(dir, fs)
	if err != nil || found.Exists && found.FormatMajorVersion >= format {
		return err
	}
	if err := s.openDB(dir, fs); err != nil {
		return err
	}
	return s.contain(s.db.Close)
}

func (s *Store) openDB(dir string, fs vfs.FS) error {
	o := pebbleOptions(fs)
	o.Lock = s.lock
	o.Logger = (*logger)(s)
	o.EventListener = s.events()
	defer o.Cache.Unref()
	return s.contain(func() (err error) {
		s.db, err = pebble.Open(dir, o)
		return err
	})
}

// checkTables opens every table file once. One that cannot be opened would not stop Pebble, but keep
// a processor busy for good with trying again.
func (s *Store) checkTables() error {
	_, err := s.db.SSTables(pebble.WithProperties())
	return err
}

// Failed is closed when a write or a sync has failed. Every call returns ErrFailed from then on.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Err returns why the store has failed; nil as long as it has not.
func (s *Store) Err() error {
	select {
	case <-s.failed:
		return s.why
	default:
		return nil
	}
}

// begin announces a call that reads; end must follow unless there is an error.
func (s *Store) begin() error {
	if err := s.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return ErrClosed
	}
	s.users++
	return nil
}

func (s *Store) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

func (s *Store) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 {
		s.idle.Broadcast()
	}
}

// Close syncs what is not synced yet and ends the store. Scans under way end with ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return nil
	}
	s.closing = true
	for s.users > 0 {
		s.idle.Wait()
	}
	s.mu.Unlock()
	close(s.stop)
	select {
	case <-s.ended:
	case <-s.failed:
	}
	return s.closeDB()
}
