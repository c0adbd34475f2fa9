package relay

import (
	"container/list"
	"sync"
	"sync/atomic"
)

// DefaultMemory is Config.Memory of a relay that was given none, in bytes.
const DefaultMemory = 256 << 20

// smallContent is the length up to which a message is small, if the memory is not small itself.
const smallContent = 64 << 10

// memory bounds the content in delivery, in bytes, over all lanes. Content that the queue still has in its cache
// counts there too: the two never hold more than the sum of their bounds.
//
// An eighth is for small mail alone, so that large messages which wait do not hold it up. The rest is for all, first
// come first served. A message larger than that goes when no other has a part of it.
type memory struct {
	small, common pool
}

func newMemory(limit int64) *memory {
	m := &memory{}
	m.small.limit = limit / 8
	m.common.limit = limit - m.small.limit
	return m
}

// claim is the part of the memory that one message's content has. The zero value is none.
type claim struct {
	pool  *pool
	bytes int64
}

func (m *memory) isSmall(size int64) bool { return size <= min(smallContent, m.small.limit) }

// take gets memory for content of size bytes, unless there is too little of it or others wait for it.
func (m *memory) take(size int64) (claim, bool) {
	if m.isSmall(size) && m.small.take(size) {
		return claim{&m.small, size}, true
	}
	if m.common.take(size) {
		return claim{&m.common, size}, true
	}
	return claim{}, false
}

// wait puts mail for which take had nothing in line. It may be told at once that its time has come.
//
// REQUIRES no lane's lock held, as do the others that follow.
func (m *memory) wait(p *shelved) {
	p.claim = claim{&m.common, p.lease.Envelope.Size}
	if m.isSmall(p.claim.bytes) {
		p.claim.pool = &m.small
	}
	admit(p.claim.pool.join(p))
}

// give returns what take got.
func (m *memory) give(c claim) {
	if c.pool != nil {
		admit(c.pool.give(c.bytes))
	}
}

// leave takes mail out of the line, or returns the memory that it has got there.
func (m *memory) leave(p *shelved) {
	next, waited := p.claim.pool.leave(p)
	admit(next)
	if !waited {
		m.give(p.claim)
	}
}

// admit tells mail that it has left the line because there is memory for it.
func admit(mail []*shelved) {
	for _, p := range mail {
		p.lane.admit(p)
	}
}

// used returns the bytes of content in delivery, and how many messages wait for theirs.
func (m *memory) used() (bytes int64, waiting int) {
	return m.small.taken.Load() + m.common.taken.Load(), int(m.small.waiting.Load() + m.common.waiting.Load())
}

// pool is a number of bytes and the line of those who wait for some. As long as nobody does, it costs an atomic
// operation to take of it and one to give back.
type pool struct {
	limit   int64
	taken   atomic.Int64
	waiting atomic.Int64 // len(line), for those who only look

	mu   sync.Mutex
	line list.List // of *shelved
}

// take gets n bytes without waiting, and not before those who wait.
func (p *pool) take(n int64) bool { return p.waiting.Load() == 0 && p.fit(n) }

// fit gets n bytes if there is room for them. There always is when nothing is taken.
func (p *pool) fit(n int64) bool {
	for {
		taken := p.taken.Load()
		if taken > 0 && taken+n > p.limit {
			return false
		}
		if p.taken.CompareAndSwap(taken, taken+n) {
			return true
		}
	}
}

// give returns n bytes, and returns who has got some of them.
func (p *pool) give(n int64) []*shelved {
	p.taken.Add(-n)
	if p.waiting.Load() == 0 {
		return nil // who joins now looks for room after it is seen to wait
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.serve()
}

// join puts w at the end of the line, and returns who has got memory: perhaps w itself.
func (p *pool) join(w *shelved) []*shelved {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.place = p.line.PushBack(w)
	p.waiting.Add(1)
	return p.serve()
}

// leave takes w out of the line, and returns who has got memory because w stood before him. waited is false if w
// was no longer there: it has its memory.
func (p *pool) leave(w *shelved) (next []*shelved, waited bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.place == nil {
		return nil, false
	}
	p.remove(w)
	return p.serve(), true
}

// serve gives memory to those in front of the line for whom there is enough. Nobody passes the first, however
// large it is.
//
// REQUIRES p.mu.
func (p *pool) serve() (served []*shelved) {
	for first := p.line.Front(); first != nil; first = p.line.Front() {
		w := first.Value.(*shelved)
		if !p.fit(w.claim.bytes) {
			break
		}
		p.remove(w)
		served = append(served, w)
	}
	return served
}

// REQUIRES p.mu.
func (p *pool) remove(w *shelved) {
	p.line.Remove(w.place)
	w.place = nil
	p.waiting.Add(-1)
}
