package queue

import (
	"slices"

	"github.com/posthaste-mta/posthaste/message"
)

// entry is a group of recipients in memory: in a window, or leased.
type entry struct {
	name flowName
	slot
	group *group  // nil until decoded
	value []byte  // the record it is decoded from
	msg   *loaded // the message, if it is in memory
}

// loaded is a message in memory since it was accepted. content may leave the cache before.
type loaded struct {
	envelope *message.Envelope
	content  []byte
	refs     int   // entries of it in windows or leased
	since    int64 // when it was taken into the cache
}

// size estimates what the entry takes in memory, without its content.
func (e *entry) size() int64 {
	n := int64(200 + len(e.value))
	if e.group != nil {
		n += int64(len(e.group.recipients)) * 200
	}
	if e.msg != nil {
		n += 400
	}
	return n
}

const (
	windowCount = 2048 // entries of one flow in memory
	refillCount = 256  // entries read from disk at once
	refillFew   = 8    // the same when the windows' memory is used up
)

// flow is the mail of one tenant and class to one domain. Its window holds the head of it: every
// entry below bound that is not busy, and none of those that were not due when they were added.
// What is at bound and above is on disk only. A window is thus refilled from bound on, never from
// the start of a range full of removed keys.
type flow struct {
	name   flowName
	domain *domain
	window []*entry // ascending by slot
	bound  slot
	all    bool // nothing is on disk at bound or above
	// refilling tells that someone reads from disk, without the lock; changes then collects what
	// happened to slots at bound and above meanwhile.
	refilling bool
	changes   []change
	blocked   int64 // until then, because reading failed

	inTurn bool // it is in domain.turns
	at     int  // its place in domain.later if it is not in turn
}

// change is a slot that was added (entry set) or removed while its flow was refilled.
type change struct {
	slot
	entry *entry
}

// next tells when the flow has something due, as far as memory knows; false if it is empty.
func (f *flow) next() (int64, bool) {
	switch {
	case len(f.window) > 0:
		return f.window[0].due, true
	case f.refilling:
		return 0, true
	case !f.all:
		return max(f.bound.due, f.blocked), true
	}
	return 0, false
}

// add takes an entry into the window if it belongs there. It must be on disk.
func (s *schedule) add(f *flow, e *entry, now int64) {
	if !f.all && e.slot.compare(f.bound) >= 0 {
		if f.refilling {
			f.changes = append(f.changes, change{e.slot, e})
			return
		}
		s.cache.unref(e.msg)
		return
	}
	at, found := slices.BinarySearchFunc(f.window, e.slot, compareSlot)
	if found {
		s.cache.unref(e.msg)
		return
	}
	f.window = slices.Insert(f.window, at, e)
	s.windowBytes += e.size()
	switch {
	case e.due > now:
		s.truncate(f, at)
	case len(f.window) > s.windowCount || s.windowBytes > s.windowLimit:
		s.truncate(f, len(f.window)-1)
	}
}

// removed notes that a slot is no longer on disk.
func (f *flow) removed(at slot) {
	if f.refilling {
		f.changes = append(f.changes, change{slot: at})
	}
}

// truncate leaves the window's entries from index on to the disk.
func (s *schedule) truncate(f *flow, index int) {
	f.bound, f.all = f.window[index].slot, false
	for _, e := range f.window[index:] {
		s.forget(e)
	}
	clear(f.window[index:])
	f.window = f.window[:index]
}

// forget takes an entry out of the accounts of the window.
func (s *schedule) forget(e *entry) {
	s.windowBytes -= e.size()
	s.cache.unref(e.msg)
}

// take removes the entry at index from the window for a lease.
func (s *schedule) take(f *flow, index int) *entry {
	e := f.window[index]
	s.windowBytes -= e.size()
	if index == 0 {
		f.window[0] = nil
		f.window = f.window[1:]
	} else {
		f.window = slices.Delete(f.window, index, index+1)
	}
	if len(f.window) == 0 {
		f.window = nil
	}
	return e
}

func compareSlot(e *entry, s slot) int { return e.slot.compare(s) }

// refill reads the flow's due entries from disk. The lock is held at call and return, but not
// while reading.
func (s *schedule) refill(f *flow, now int64) {
	f.refilling = true
	from, count := f.bound, s.refillCount
	if s.windowBytes > s.windowLimit/4*3 {
		count = min(count, refillFew)
	}
	s.mu.Unlock()
	head, err := s.read(f.name, from, now, count)
	s.mu.Lock()
	f.refilling = false
	s.merge(f, head, now, err)
	s.refilled.Broadcast()
}

// head is what read found at the head of a flow.
type head struct {
	entries []*entry
	bound   slot // where to go on
	all     bool // there is nothing more
}

// merge takes what was read into the window, less what is busy or was removed meanwhile, plus what
// was added meanwhile.
func (s *schedule) merge(f *flow, h head, now int64, err error) {
	changes := f.changes
	f.changes = nil
	if err != nil {
		h = head{bound: f.bound}
		f.blocked = now + 10_000_000
	}
	gone := make(map[slot]bool)
	for _, c := range changes {
		if c.entry == nil {
			gone[c.slot] = true
		}
	}
	f.bound, f.all = h.bound, h.all
	for _, e := range h.entries {
		if _, busy := s.busy[e.ticket()]; !busy && !gone[e.slot] {
			f.window = append(f.window, e)
			s.windowBytes += e.size()
		}
	}
	for _, c := range changes {
		if c.entry != nil && !gone[c.slot] {
			s.add(f, c.entry, now)
		}
	}
}
