package queue

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// schedule is the part of the queue that is in memory: which domains have what due, and the head of
// each of their flows. Everything in it can be read from disk again.
type schedule struct {
	mu      sync.Mutex
	now     func() int64 // microseconds
	weights [message.NumClasses]int
	// read reads the head of a flow from disk, from a slot on: what is due at now.
	read func(name flowName, from slot, now int64, count int) (head, error)

	domains map[string]*domain
	flows   map[flowName]*flow
	// scanned tells that the whole schedule has been seen since the start: a flow not in memory is
	// then empty. Before, a new flow must look on disk first.
	scanned bool
	ready   fifo[*domain]
	due     heapOf[*domain] // domains not announced, by when they will be
	// busy holds the groups that are leased or being stored; refills leave them out.
	busy     map[ticket]busyState
	refilled *sync.Cond

	windowBytes, windowLimit int64
	windowCount, refillCount int
	cache                    contentCache
	leased                   int64 // recipients

	wake chan struct{} // holds a token when NextReady has something to look at
}

type busyState uint8

const (
	storing busyState = iota
	leasing
)

// domain is a destination that has mail.
type domain struct {
	name string
	// announced: NextReady has it or has returned it, and Lease has not returned nil since.
	announced bool
	turns     turns         // the flows that may have something due
	later     heapOf[*flow] // those that have not
	due       int64         // when it will be announced
	at        int           // its place in schedule.due, -1 if it is not there
}

func newSchedule(now func() int64, windowLimit, cacheLimit int64, weights [message.NumClasses]int) *schedule {
	s := &schedule{
		now: now, weights: weights,
		domains: make(map[string]*domain), flows: make(map[flowName]*flow),
		busy: make(map[ticket]busyState), wake: make(chan struct{}, 1),
		windowLimit: windowLimit, windowCount: windowCount, refillCount: refillCount, cache: contentCache{limit: cacheLimit},
	}
	s.refilled = sync.NewCond(&s.mu)
	s.due.less = func(a, b *domain) bool { return a.due < b.due }
	s.due.moved = func(d *domain, at int) { d.at = at }
	return s
}

// flow returns the named flow, making it if it is not in memory.
func (s *schedule) flow(name flowName) *flow {
	if f := s.flows[name]; f != nil {
		return f
	}
	d := s.domains[name.domain]
	if d == nil {
		d = &domain{name: name.domain, at: -1}
		d.later.less = func(a, b *flow) bool {
			x, _ := a.next()
			y, _ := b.next()
			return x < y
		}
		d.later.moved = func(f *flow, at int) { f.at = at }
		s.domains[name.domain] = d
	}
	f := &flow{name: name, domain: d, all: s.scanned, at: -1}
	s.flows[name] = f
	return f
}

// changed puts a flow where it belongs after its head has changed.
func (s *schedule) changed(f *flow, now int64) {
	d := f.domain
	if !f.inTurn {
		next, any := f.next()
		switch {
		case !any:
			s.leaveLater(f)
			delete(s.flows, f.name)
		case next <= now:
			s.leaveLater(f)
			d.turns.add(f)
		case f.at >= 0:
			heap.Fix(&d.later, f.at)
		default:
			heap.Push(&d.later, f)
		}
	}
	s.changedDomain(d)
}

func (s *schedule) leaveLater(f *flow) {
	if f.at >= 0 {
		heap.Remove(&f.domain.later, f.at)
	}
}

// changedDomain announces the domain, or sets its alarm, or forgets it.
func (s *schedule) changedDomain(d *domain) {
	if d.announced {
		return
	}
	if d.turns.size > 0 {
		s.leaveDue(d)
		d.announced = true
		s.ready.push(d)
		s.signal()
		return
	}
	if len(d.later.items) == 0 {
		s.leaveDue(d)
		delete(s.domains, d.name)
		return
	}
	d.due, _ = d.later.items[0].next()
	if d.at >= 0 {
		heap.Fix(&s.due, d.at)
	} else {
		heap.Push(&s.due, d)
	}
	if d.at == 0 {
		s.signal()
	}
}

func (s *schedule) leaveDue(d *domain) {
	if d.at >= 0 {
		heap.Remove(&s.due, d.at)
	}
}

// signal wakes one NextReady; it passes the token on if there is more.
func (s *schedule) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// pick returns the flow whose turn it is, or nil if the domain has nothing due.
func (s *schedule) pick(d *domain, now int64) *flow {
	for len(d.later.items) > 0 {
		f := d.later.items[0]
		if next, _ := f.next(); next > now {
			break
		}
		heap.Pop(&d.later)
		d.turns.add(f)
	}
	for f := d.turns.first(&s.weights); f != nil; f = d.turns.first(&s.weights) {
		next, any := f.next()
		if any && next <= now {
			return f
		}
		d.turns.remove(f)
		if any {
			heap.Push(&d.later, f)
		} else {
			delete(s.flows, f.name)
		}
	}
	return nil
}

// lease takes the domain's next due entry, or nil, and its content if that is in memory. more tells that
// there was another one due; if not, the domain will be announced again.
func (s *schedule) lease(name string) (e *entry, content []byte, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		d := s.domains[name]
		if d == nil {
			return nil, nil, false
		}
		now := s.now()
		f := s.pick(d, now)
		switch {
		case f == nil:
			d.announced = false
			s.changedDomain(d)
			return nil, nil, false
		case len(f.window) > 0:
			e := s.take(f, 0)
			d.turns.spend(f)
			more := s.pick(d, now) != nil
			if !more {
				d.announced = false
				s.changedDomain(d)
			}
			return e, s.lend(e), more
		case f.refilling:
			s.refilled.Wait()
		default:
			s.refill(f, now)
		}
	}
}

// lend marks an entry as leased and returns its content if that is in memory.
func (s *schedule) lend(e *entry) []byte {
	s.busy[e.ticket()] = leasing
	s.leased += int64(e.count)
	if e.msg == nil || e.msg.content == nil {
		s.cache.misses++
		return nil
	}
	s.cache.hits++
	return e.msg.content
}

// release takes back an entry that was leased and is unchanged on disk.
func (s *schedule) release(e *entry, space byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlend(e)
	if space != spaceSchedule {
		s.cache.unref(e.msg)
		return
	}
	s.put(e, s.now())
}

func (s *schedule) unlend(e *entry) {
	delete(s.busy, e.ticket())
	s.leased -= int64(e.count)
}

// put takes in an entry that has been made durable or was released.
func (s *schedule) put(e *entry, now int64) {
	f := s.flow(e.name)
	s.add(f, e, now)
	s.changed(f, now)
}

// markStoring keeps refills from seeing what is written but not yet durable.
func (s *schedule) markStoring(requests []*request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range requests {
		for _, p := range r.puts {
			for _, e := range p.entries {
				s.busy[e.ticket()] = storing
			}
		}
	}
}

// committed takes in what has been made durable.
func (s *schedule) committed(requests []*request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for _, r := range requests {
		for _, p := range r.puts {
			if len(p.entries) == 0 {
				continue
			}
			for _, e := range p.entries {
				delete(s.busy, e.ticket())
			}
			if p.space != spaceSchedule {
				continue
			}
			p.msg.refs = len(p.entries)
			s.cache.add(p.msg, now)
			for _, e := range p.entries {
				s.put(e, now)
			}
		}
		for _, o := range r.outcomes {
			s.unlend(o.old)
			s.cache.unref(o.old.msg)
			if f := s.flows[o.old.name]; f != nil && o.space == spaceSchedule {
				f.removed(o.old.slot)
			}
			if o.next != nil && o.nextSpace == spaceSchedule {
				s.put(o.next, now)
			}
		}
	}
}

// nextReady waits for a domain to become ready.
func (s *schedule) nextReady(ctx context.Context, closed, failed <-chan struct{}) (string, error) {
	for {
		name, wait := s.announce()
		if wait == 0 {
			return name, nil
		}
		var alarm <-chan time.Time
		var timer *time.Timer
		if wait > 0 {
			timer = time.NewTimer(wait)
			alarm = timer.C
		}
		var err error
		select {
		case <-s.wake:
		case <-alarm:
		case <-ctx.Done():
			err = ctx.Err()
		case <-closed:
			err = ErrClosed
		case <-failed:
			err = ErrFailed
		}
		if timer != nil {
			timer.Stop()
		}
		if err != nil {
			s.signal() // the token may have been ours
			return "", err
		}
	}
}

// announce returns the next ready domain and 0, or how long until the first may be ready; -1 means
// that nothing is waiting.
func (s *schedule) announce() (string, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for len(s.due.items) > 0 && s.due.items[0].due <= now {
		d := heap.Pop(&s.due).(*domain)
		d.announced = true
		s.ready.push(d)
	}
	if d, ok := s.ready.pop(); ok {
		if s.ready.len() > 0 || len(s.due.items) > 0 {
			s.signal()
		}
		return d.name, 0
	}
	if len(s.due.items) == 0 {
		return "", -1
	}
	return "", max(time.Millisecond, time.Duration(s.due.items[0].due-now)*time.Microsecond)
}
