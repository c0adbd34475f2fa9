package mailbox

import (
	"errors"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"
)

// format is the version of the files. A later release may raise it; earlier ones cannot read them then.
// Values stay in the tables: blob files would spare compactions the contents, but in this release of
// Pebble a damaged one panics where nobody can recover.
const format = pebble.FormatTableFormatV6

// budget splits Options.Memory, in bytes.
type budget struct {
	memTable   int64 // one; there may be memTables of them
	blockCache int64
	folders    int // folders whose numbers stay in memory without being open
}

const (
	minMemory   = 16 << 20
	memTables   = 3
	folderBytes = 512 // of memory for the numbers of a folder, about
)

func newBudget(memory int64) budget {
	if memory <= 0 {
		memory = DefaultMemory
	}
	memory = max(memory, minMemory)
	return budget{
		memTable:   memory / 8,
		blockCache: memory / 2,
		folders:    int(memory / 8 / folderBytes),
	}
}

func pebbleOptions(fs vfs.FS, b budget) *pebble.Options {
	o := &pebble.Options{
		FS:                          fs,
		FormatMajorVersion:          format,
		Cache:                       pebble.NewCache(b.blockCache),
		MemTableSize:                uint64(b.memTable),
		MemTableStopWritesThreshold: memTables,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		L0CompactionThreshold:       8,
		L0StopWritesThreshold:       200,
		LBaseMaxBytes:               128 << 20,
		MaxOpenFiles:                512,
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.TargetFileSizes[i] = 32 << 20
	}
	return o
}

// lock has no other process open the store; ErrLocked if one has it.
func lock(dir string, fs vfs.FS) (*pebble.Lock, error) {
	l, err := pebble.LockDirectory(dir, fs)
	own := err != nil && strings.Contains(err.Error(), "lock held by current process")
	if own || errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		return nil, ErrLocked
	}
	return l, err
}

// advice tells an operator what to do about an error of Open.
func advice(err error) string {
	switch {
	case errors.Is(err, ErrLocked):
		return " (is the daemon running? then let it do the work)"
	case pebble.IsCorruptionError(err):
		return " (a file in it is damaged: keep a copy of the folder, then restore the newest backup)"
	default:
		return ""
	}
}

func (s *Store) events() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			s.log.Error("mailbox: background work of the store failed and will be tried again", zap.Error(err))
		},
		DataCorruption: s.damaged,
		DiskSlow: func(i pebble.DiskSlowInfo) {
			s.log.Warn("mailbox: the disk is slow", zap.String("what", i.String()))
		},
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			s.log.Warn("mailbox: writes wait for the store", zap.String("why", i.Reason))
		},
	}
}
