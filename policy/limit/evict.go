package limit

import "math"

// sample is how many cells are looked at to find one to forget.
const sample = 16

// evict forgets a cell other than keep. Of a random few it takes one that owes nothing, or that the
// store has as well; failing that, the one whose debt is the first to end anyway. So to be rid of a
// debt one has to fill the whole table with larger ones. What must not be forgotten stays, and the
// table is larger than its bound for so long: open connections, and quotas of the last half second.
func (l *Limiter) evict(s *shard, keep key, t instant) {
	var worst key
	least := int64(math.MaxInt64)
	seen := 0
	for k, c := range s.cells { // begins at random
		if k == keep {
			continue
		}
		if owed := l.owes(k, c, t); owed < least {
			worst, least = k, owed
		}
		if seen++; seen >= sample || least <= 0 {
			break
		}
	}
	if least == math.MaxInt64 {
		return
	}
	if least > 0 {
		l.evictedOwing.Add(1)
	} else {
		l.evictedFree.Add(1)
	}
	if worst.kind == Quota && s.cells[worst].day == t.day {
		l.spilled.Store(true)
	}
	s.forget(worst)
}

func (s *shard) forget(k key) {
	delete(s.cells, k)
	if k.kind == Quota {
		delete(s.names, k)
	}
}

// owes returns for how long, in ns, forgetting a cell would forgive something: 0 if it would not,
// and the largest number if it must not be forgotten.
func (l *Limiter) owes(k key, c cell, t instant) int64 {
	switch {
	case k.kind == Rate:
		return max(c.n-t.ns, 0)
	case k.kind == Concurrent || c.unsaved:
		return math.MaxInt64
	case c.day != t.day || l.store != nil:
		return 0
	default:
		return int64(day) // a quota without a store is forgotten last
	}
}

// sweep forgets what owes nothing in one shard. A quota of today stays: looking it up in the store
// costs more than its memory.
func (l *Limiter) sweep(s *shard, t instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, c := range s.cells {
		if l.owes(k, c, t) == 0 && (k.kind != Quota || c.day != t.day) {
			s.forget(k)
		}
	}
}
