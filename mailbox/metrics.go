package mailbox

import (
	"sync/atomic"
	"time"
)

// Metrics are counts since Open, and what is there now.
type Metrics struct {
	Accounts    int           // now
	OpenFolders int           // indexes in memory now
	IndexBytes  int64         // that they take, about
	Delivered   int64         // copies
	Refused     int64         // copies: over quota, no such account, NUL
	Appended    int64         // messages by APPEND
	Expunged    int64         // messages
	Batches     int64         // synced writes
	SyncTime    time.Duration // of all batches
	Reclaimed   int64         // contents that lost their last copy
	DiskBytes   int64         // that the store takes now
}

// counts are what Metrics are made of.
type counts struct {
	delivered, refused, appended, expunged, batches, reclaimed, syncing atomic.Int64
}

func (c *counts) synced(d time.Duration) {
	c.batches.Add(1)
	c.syncing.Add(int64(d))
}

// Metrics returns them.
func (s *Store) Metrics() Metrics {
	c := &s.counts
	s.accounts.mu.RLock()
	accounts := len(s.accounts.byName)
	s.accounts.mu.RUnlock()
	m := Metrics{
		Accounts: accounts, OpenFolders: int(s.indexes.count.Load()), IndexBytes: s.indexes.used.Load(),
		Delivered: c.delivered.Load(), Refused: c.refused.Load(), Appended: c.appended.Load(), Expunged: c.expunged.Load(),
		Batches: c.batches.Load(), SyncTime: time.Duration(c.syncing.Load()), Reclaimed: c.reclaimed.Load(),
	}
	if s.begin() == nil {
		m.DiskBytes = int64(s.db.Metrics().DiskSpaceUsage())
		s.end()
	}
	return m
}
