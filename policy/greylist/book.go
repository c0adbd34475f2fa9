package greylist

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthaste-mta/posthaste/policy/store"
)

// book is a bounded table of records with a cache before it.
type book struct {
	store   *store.Store
	table   store.Table
	cache   *cache
	locks   *[lockCount]sync.Mutex        // by lockOf; who reads a record and then puts it has its lock
	gone    func(*record, time.Time) bool // whether a record has expired
	limit   int64
	warmest int // records to look at when the cache is warmed
	count   atomic.Int64
	evicted atomic.Int64
}

const lockCount = 64

func lockOf(locks *[lockCount]sync.Mutex, k key) *sync.Mutex { return &locks[k[0]%lockCount] }

func newBook(s *store.Store, t store.Table, locks *[lockCount]sync.Mutex, limit int64, cacheEntries int, gone func(*record, time.Time) bool) *book {
	return &book{store: s, table: t, locks: locks, cache: newCache(cacheEntries), gone: gone, limit: limit, warmest: 2 * cacheEntries}
}

// warm takes into the cache what has passed before, as much as there is room for, so that mail from those who are known costs no
// look at the disk after a restart either. It is for before the first use.
func (b *book) warm(ctx context.Context, now time.Time) error {
	looked := 0
	for e, err := range b.store.Scan(b.table, nil) {
		if err != nil {
			return err
		}
		if looked++; b.cache.Full() || looked > b.warmest {
			break
		}
		if r, _, err := readHead(e.Value); err == nil && len(e.Key) == len(key{}) && r.passes > 0 && !b.gone(&r, now) {
			b.cache.put(key(e.Key), &r, true)
		}
	}
	return ctx.Err()
}

// load counts what is there.
func (b *book) load(ctx context.Context) error {
	n, err := b.store.Count(ctx, b.table)
	b.count.Store(n)
	return err
}

// get returns a record without its names; ok tells whether there is one. A damaged one is as if it
// were not there.
func (b *book) get(k key) (r record, ok bool, err error) {
	if r, there, known := b.cache.get(k); known {
		return r, there, nil
	}
	value, err := b.store.Get(b.table, k[:])
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return record{}, false, err
	default:
		if r, err = readRecord(value); err != nil {
			r = record{}
		}
		r.names, ok = nil, true
	}
	b.cache.put(k, &r, ok)
	return r, ok, nil
}

// put keeps a record; added tells that there was none. The caller has the lock of k.
func (b *book) put(ctx context.Context, k key, r record, added bool) error {
	changes := []store.Change{{Table: b.table, Key: k[:], Value: appendRecord(nil, &r)}}
	if added {
		b.count.Add(1)
		for range evictAtOnce {
			victim, lock, ok := b.evict(r.last)
			if !ok {
				break
			}
			defer lock.Unlock()
			changes = append(changes, store.Change{Table: b.table, Key: victim[:]})
		}
	}
	if err := b.store.Apply(ctx, false, changes...); err != nil {
		b.cache.Remove(k) // it may be on disk or not
		return err
	}
	b.cache.put(k, &r, true)
	return nil
}

const (
	evictAtOnce = 2 // so that what could not be evicted before goes with a later record
	evictTries  = 4
)

// evict chooses a record that has to make room, if there are too many, and counts it as gone; its lock is held until
// it is. Without the lock somebody else could choose it too, or be about to put it again, and the count be less than there are.
func (b *book) evict(now time.Time) (victim key, lock *sync.Mutex, ok bool) {
	for range evictTries {
		if b.count.Load() <= b.limit {
			break
		}
		if victim, ok = b.victim(now); !ok {
			break
		}
		lock = lockOf(b.locks, victim)
		if !lock.TryLock() { // in use, maybe by ourselves
			continue
		}
		if _, there, err := b.get(victim); err == nil && there {
			b.cache.Remove(victim)
			b.count.Add(-1)
			b.evicted.Add(1)
			return victim, lock, true
		}
		lock.Unlock()
	}
	return key{}, nil, false
}

const sample = 16

// victim chooses what has to make room: of some records found at random one that has expired, else
// one that never came back, else the one longest without mail. So a flood of new triplets pushes out
// itself.
func (b *book) victim(now time.Time) (key, bool) {
	var from key
	_, _ = rand.Read(from[:]) // never fails
	var worst record
	var found key
	n := 0
	for _, start := range [][]byte{from[:], nil} { // from a point at random, round the end
		if n == sample {
			break
		}
		for e, err := range b.store.ScanFrom(b.table, nil, start) {
			if err != nil || n == sample {
				break
			}
			r, err := readRecord(e.Value)
			if err != nil {
				return key(e.Key), len(e.Key) == len(found)
			}
			if n == 0 || b.worse(&r, &worst, now) {
				worst, found = r, key(e.Key)
			}
			n++
		}
	}
	return found, n > 0
}

// worse tells whether a goes before b.
func (b *book) worse(a, than *record, now time.Time) bool {
	if x, y := b.gone(a, now), b.gone(than, now); x != y {
		return x
	}
	if x, y := a.passes == 0, than.passes == 0; x != y {
		return x
	}
	if !a.last.Equal(than.last) {
		return a.last.Before(than.last)
	}
	return mathrand.IntN(2) == 0 // always the first would dig holes among the keys, with only the good left in them
}
