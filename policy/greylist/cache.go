package greylist

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/posthaste-mta/posthaste/policy/recent"
)

// cache keeps the records last used.
type cache struct {
	*recent.Map[key, cached]
	hits, misses atomic.Int64
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

func newCache(limit int) *cache { return &cache{Map: recent.NewMap[key, cached](limit)} }

// get returns the record, whether there is one, and whether the cache knows.
func (c *cache) get(k key) (r record, there, known bool) {
	v, known := c.Get(k)
	if !known {
		c.misses.Add(1)
		return record{}, false, false
	}
	c.hits.Add(1)
	r, there = v.unpack()
	return r, there, true
}

func (c *cache) put(k key, r *record, there bool) { c.Put(k, pack(r, there)) }
