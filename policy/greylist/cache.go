package greylist

import (
	"math"
	"sync"
	"time"
)

// cache keeps the records last used, in two generations: when the younger is full, the older is
// forgotten and the younger takes its place.
type cache struct {
	mu         sync.Mutex
	limit      int // of both
	young, old map[key]cached
	hits       int64
	misses     int64
}

// cached is a record in twelve bytes: times are in seconds since 1970, which fits until 2106. One that is not there is
// cached too, since strangers come in numbers.
type cached struct {
	first, last uint32
	passes      uint32 // and whether there is a record, as the highest bit
}

const thereBit = 1 << 31 // maxPasses is far below

func pack(r *record, there bool) cached {
	if !there {
		return cached{}
	}
	return cached{seconds(r.first), seconds(r.last), r.passes | thereBit}
}

func seconds(t time.Time) uint32 { return uint32(min(max(t.Unix(), 0), math.MaxUint32)) }

func (v cached) unpack() (r record, there bool) {
	if v.passes&thereBit == 0 {
		return record{}, false
	}
	return record{first: time.Unix(int64(v.first), 0), last: time.Unix(int64(v.last), 0), passes: v.passes &^ thereBit}, true
}

func newCache(limit int) *cache {
	return &cache{limit: max(limit, 2), young: map[key]cached{}, old: map[key]cached{}}
}

// get returns the record, whether there is one, and whether the cache knows.
func (c *cache) get(k key) (r record, there, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.young[k]
	if !ok {
		if v, ok = c.old[k]; !ok {
			c.misses++
			return record{}, false, false
		}
		c.add(k, v)
	}
	c.hits++
	r, there = v.unpack()
	return r, there, true
}

func (c *cache) put(k key, r *record, there bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(k, pack(r, there))
}

func (c *cache) add(k key, v cached) {
	if len(c.young) >= c.limit/2 {
		c.old, c.young = c.young, make(map[key]cached, c.limit/2)
	}
	delete(c.old, k)
	c.young[k] = v
}

func (c *cache) remove(k key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, k)
	delete(c.old, k)
}

// isFull tells whether something would be forgotten for one record more.
func (c *cache) isFull() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.young) >= c.limit/2 && len(c.old) > 0
}

func (c *cache) counts() (hits, misses int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hits, c.misses
}
