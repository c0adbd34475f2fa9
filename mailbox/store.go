package mailbox

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"
)

// Options say where the store is and what it may use.
type Options struct {
	Dir    string
	FS     vfs.FS           // nil: the system's
	Memory int64            // bytes for caches and write buffers; 0: DefaultMemory
	Log    *zap.Logger      // nil: none
	Now    func() time.Time // nil: time.Now
}

// DefaultMemory is Options.Memory if it is not set.
const DefaultMemory = 64 << 20

// Store keeps the mail of all accounts. All methods may be called at the same time.
type Store struct{}

// Open opens the store in Options.Dir, or makes one there.
func Open(o Options) (*Store, error) { return nil, ErrClosed }

// Close ends the store in order. Folders that are open then return ErrClosed.
func (s *Store) Close() error { return nil }

// Failed is closed when a write or sync has failed: the process should end in order.
func (s *Store) Failed() <-chan struct{} { return nil }

// Err is nil while the store works; ErrFailed with its cause once it does not.
func (s *Store) Err() error { return nil }
