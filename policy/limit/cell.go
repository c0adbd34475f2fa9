package limit

import "sync"

// key says whose count under which rules a cell is. who is a hash of the subject's name under a secret
// seed: names of any length cost the same, and nobody can choose two names that share a count. Among a
// million names two share one by chance once in ten million runs.
type key struct {
	who uint64
	alike
}

// cell is one count, or one debt.
type cell struct {
	// n is: of a rate, when nothing will be owed any more, in ns of the limiter's clock (the
	// "theoretical arrival time" of the GCRA); of a quota, how many are used up; else how many are open.
	n int64
	// day of a quota, see calendar.
	day int32
	// unsaved tells that the store does not have the quota yet.
	unsaved bool
}

const shards = 64 // as many as a uint64 has bits: see Limiter.lock

// shard is a part of all cells.
type shard struct {
	mu    sync.Mutex
	cells map[key]cell
	// names are those of quotas, for the store.
	names   map[key]string
	unsaved []key
	_       [64]byte // no two locks in one cache line
}

// cellOf returns a part's cell, nothing used up if it is not there.
func (l *Limiter) cellOf(s *shard, who *Who, p *part, t instant) cell {
	c, ok := s.cells[p.key]
	if p.rule.Kind != Quota {
		return c
	}
	if !ok && l.spilled.Load() {
		c = l.load(p.rule, who)
	}
	if c.day != t.day {
		return cell{day: t.day}
	}
	return c
}

// put stores a part's cell.
func (l *Limiter) put(s *shard, who *Who, p *part, t instant) {
	c := p.cell
	before := len(s.cells)
	if p.rule.Kind == Quota && l.store != nil && !c.unsaved {
		c.unsaved = true
		s.unsaved = append(s.unsaved, p.key)
	}
	s.cells[p.key] = c
	if len(s.cells) == before {
		return
	}
	if p.rule.Kind == Quota && l.store != nil {
		if s.names == nil {
			s.names = make(map[key]string)
		}
		s.names[p.key] = who.name(p.rule.Subject)
	}
	if len(s.cells) > l.perShard {
		l.evict(s, p.key, t)
	}
}
