package greylist

import (
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

// cached is a record in few bytes. One that is not there is cached too, since strangers come in
// numbers.
type cached struct {
	first, last int64 // seconds since 1970
	passes      uint32
	there       bool
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
	return record{first: time.Unix(v.first, 0), last: time.Unix(v.last, 0), passes: v.passes}, v.there, true
}

func (c *cache) put(k key, r *record, there bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(k, cached{first: r.first.Unix(), last: r.last.Unix(), passes: r.passes, there: there})
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

func (c *cache) counts() (hits, misses int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hits, c.misses
}
