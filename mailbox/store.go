package mailbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"
)

// Options say where the store is and what it may use.
type Options struct {
	Dir string
	FS  vfs.FS // nil: the system's
	// Memory, in bytes, is for caches and write buffers; 0: DefaultMemory. The names and sizes of accounts come
	// on top (some 300 bytes each), and what Indexes bounds.
	Memory int64
	// Indexes bounds the memory for the folders that are open, 48 bytes a message; 0: four times Memory.
	// OpenFolder returns ErrLimit above it.
	Indexes int64
	Log     *zap.Logger      // nil: none
	Now     func() time.Time // nil: time.Now
}

// DefaultMemory is Options.Memory if it is not set.
const DefaultMemory = 64 << 20

// Store keeps the mail of all accounts. All methods may be called at the same time.
type Store struct {
	db     *pebble.DB
	log    *zap.Logger
	now    func() time.Time
	budget budget
	lock   *pebble.Lock
	fs     vfs.FS // for what is not the database

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
	work     context.Context
	endWork  context.CancelFunc // ends the work in the background
	workers  sync.WaitGroup
	sweep    chan struct{} // a folder was deleted
	sweeping sync.Mutex    // two sweeps would reclaim the same twice

	// Only the committer uses these.
	meta   meta
	loaded loaded

	accounts accounts
	indexes  indexMemory
	counts   counts

	mu      sync.Mutex
	users   int  // calls under way that read
	closing bool // no more of them
	idle    sync.Cond
}

// Open opens the store in Options.Dir, or makes one there. The error names the folder; it is ErrLocked if
// another process has it open.
func Open(o Options) (*Store, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := newStore(o)
	if err := s.open(o); err != nil {
		return nil, fmt.Errorf("mailbox: cannot open %s: %w%s", o.Dir, err, advice(err))
	}
	s.work, s.endWork = context.WithCancel(context.Background())
	go s.commitLoop()
	s.workers.Go(s.sweepLoop)
	s.workers.Go(s.reclaimLoop)
	return s, nil
}

func newStore(o Options) *Store {
	s := &Store{
		fs: o.FS, log: o.Log, now: o.Now, budget: newBudget(o.Memory),
		failed: make(chan struct{}), stuck: make(chan struct{}),
		requests: make(chan *request, maxRequests), stop: make(chan struct{}), ended: make(chan struct{}),
		sweep: make(chan struct{}, 1),
	}
	s.idle.L = &s.mu
	if s.indexes.limit = o.Indexes; o.Indexes <= 0 {
		s.indexes.limit = 4 * max(o.Memory, minMemory)
		if o.Memory <= 0 {
			s.indexes.limit = 4 * DefaultMemory
		}
	}
	return s
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

func (s *Store) openLocked(o Options) error {
	var opened atomic.Bool
	below := &failFS{FS: o.FS, dir: o.Dir, fail: s.fail, open: &opened}
	if err := s.create(o.Dir, below); err != nil {
		return err
	}
	if err := s.openDB(o.Dir, below); err != nil {
		return err
	}
	err := s.contain(func() error {
		// A table that cannot be opened would not stop Pebble, but keep a processor busy with trying again.
		if _, err := s.db.SSTables(pebble.WithProperties()); err != nil {
			return err
		}
		if err := s.loadAccounts(); err != nil {
			return err
		}
		return s.renewCopy(o.FS, o.Dir)
	})
	if err != nil {
		_ = s.contain(s.db.Close) // what could not be read is the error to tell
		return err
	}
	opened.Store(true)
	return nil
}

// create makes the store if there is none, or raises an older one to our format. Pebble raises it behind the
// start of a log in the old format, which hides damage; so that log is closed again.
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
	o := pebbleOptions(fs, s.budget)
	o.Lock = s.lock
	o.Logger = (*logger)(s)
	o.EventListener = s.events()
	defer o.Cache.Unref()
	return s.contain(func() (err error) {
		s.db, err = pebble.Open(dir, o)
		return err
	})
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

func (s *Store) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 {
		s.idle.Broadcast()
	}
}

// Close ends the store in order: what was handed in is stored. Calls after it return ErrClosed, and who
// waits for a folder is woken.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return nil
	}
	s.closing = true
	s.mu.Unlock()
	s.endWork()
	s.workers.Wait()
	close(s.stop)
	select {
	case <-s.ended:
	case <-s.failed:
	}
	s.mu.Lock()
	for s.users > 0 {
		s.idle.Wait()
	}
	s.mu.Unlock()
	s.indexes.closeAll()
	return s.closeDB()
}
