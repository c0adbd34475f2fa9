package store

import (
	"errors"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"
)

// format is the version of the files. A later release may raise it; earlier ones cannot read them
// then.
const format = pebble.FormatTableFormatV6

// What the store may keep in memory: three memtables at most, and the cache, which holds the bloom
// filters too (1.25 MB for a million records).
const (
	memTableBytes = 2 << 20
	memTables     = 3
	cacheBytes    = 6 << 20
)

func pebbleOptions(fs vfs.FS) *pebble.Options {
	o := &pebble.Options{
		FS:                          fs,
		FormatMajorVersion:          format,
		Cache:                       pebble.NewCache(cacheBytes),
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: memTables,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       100,
		LBaseMaxBytes:               16 << 20,
		MaxOpenFiles:                128,
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.TargetFileSizes[i] = 8 << 20
	}
	return o
}

// isOwnLock tells whether this very process has the store open already.
func isOwnLock(err error) bool {
	return err != nil && strings.Contains(err.Error(), "lock held by current process")
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
			s.log.Error("policy store: background work failed and will be tried again", zap.Error(err))
		},
		DataCorruption: s.damaged,
		DiskSlow: func(i pebble.DiskSlowInfo) {
			s.log.Warn("policy store: the disk is slow", zap.String("what", i.String()))
		},
	}
}
