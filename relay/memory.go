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
// come first served, but a lane has no more of either than it leaves free: half if it is alone, a third if there are
// two that want more. So a site that stalls in the middle of large mail leaves room for others, and so do two of them.
// A message larger than all that goes when no other has a part of it.
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
	share *share // of the lane in the pool
	bytes int64
}

// shares is what a lane has of the memory.
type shares struct{ small, common share }

func (m *memory) isSmall(size int64) bool { return size <= min(smallContent, m.small.limit) }

// take gets a lane memory for content of size bytes, unless there is too little of it or others wait for it.
func (m *memory) take(has *shares, size int64) (claim, bool) {
	if m.isSmall(size) && m.small.take(&has.small, size) {
		return claim{&m.small, &has.small, size}, true
	}
	if m.common.take(&has.common, size) {
		return claim{&m.common, &has.common, size}, true
	}
	return claim{}, false
}

// wait puts mail for which take had nothing in line, and returns who is to be told by admit that there is memory for
// them: perhaps this mail. Unlike the others, which take lanes' locks, it may be called with one held.
func (m *memory) wait(p *shelved) []*shelved {
	has, size := &p.lane.memory, p.lease.Envelope.Size
	p.claim = claim{&m.common, &has.common, size}
	if m.isSmall(size) {
		p.claim = claim{&m.small, &has.small, size}
	}
	return p.claim.pool.join(p)
}

// give returns what take got.
func (m *memory) give(c claim) {
	if c.pool != nil {
		admit(c.pool.give(c.share, c.bytes))
	}
}

// leave takes mail out of the line, or returns the memory that it has got there.
//
// REQUIRES no lane's lock held, as do give and admit.
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

// pool is a number of bytes and the line of those who wait for some. As long as nobody does, it costs two atomic
// operations to take of it and two to give back.
type pool struct {
	limit   int64
	taken   atomic.Int64
	waiting atomic.Int64 // len(line), for those who only look
	short   atomic.Bool  // somebody in line waits for others than his own lane

	mu   sync.Mutex
	line list.List // of *shelved
	turn uint64    // counts how often the line was served
}

// share is what one lane has of a pool.
type share struct {
	bytes   atomic.Int64
	waiting atomic.Int64 // how many in line are the lane's
	passed  uint64       // the turn in which the lane was passed; guarded by pool.mu
}

// take gets n bytes without waiting, and not before those who wait for anything but what their own lane has.
func (p *pool) take(has *share, n int64) bool {
	return !p.short.Load() && has.waiting.Load() == 0 && p.modest(has, n) && p.fit(has, n)
}

// modest tells whether a lane may have n bytes more: it has no more than it leaves, or nothing else.
func (p *pool) modest(has *share, n int64) bool {
	had := has.bytes.Load()
	return had == 0 || had+n <= p.limit-p.taken.Load()-n
}

// fit gets n bytes if there is room for them. There always is when nothing is taken.
func (p *pool) fit(has *share, n int64) bool {
	for {
		taken := p.taken.Load()
		if taken > 0 && taken+n > p.limit {
			return false
		}
		if p.taken.CompareAndSwap(taken, taken+n) {
			has.bytes.Add(n)
			return true
		}
	}
}

// give returns n bytes, and returns who has got some of them.
func (p *pool) give(has *share, n int64) []*shelved {
	has.bytes.Add(-n)
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
	w.claim.share.waiting.Add(1)
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

// serve gives memory to those in line for whom there is enough. Who would have more than his lane may is passed, with
// all the others of the lane. Nobody else passes the first, however large it is.
//
// REQUIRES p.mu.
func (p *pool) serve() (served []*shelved) {
	p.turn++
	short := false
	var next *list.Element
	for at := p.line.Front(); at != nil && !short; at = next {
		next = at.Next()
		w := at.Value.(*shelved)
		switch has := w.claim.share; {
		case has.passed == p.turn:
		case !p.modest(has, w.claim.bytes):
			has.passed = p.turn
		case p.fit(has, w.claim.bytes):
			p.remove(w)
			served = append(served, w)
		default:
			short = true
		}
	}
	p.short.Store(short)
	return served
}

// REQUIRES p.mu.
func (p *pool) remove(w *shelved) {
	p.line.Remove(w.place)
	w.place = nil
	w.claim.share.waiting.Add(-1)
	p.waiting.Add(-1)
}
