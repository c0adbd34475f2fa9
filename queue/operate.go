package queue

import (
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/posthaste-mta/posthaste/message"
)

// Changed tells how many recipients an operator's act changed, and how many it left out because they
// were in delivery.
type Changed struct{ Recipients, Skipped int64 }

// Operators' acts lease what they act on, a few hundred groups at a time: so nothing can be in
// delivery and changed at once, and delivery goes on between. each, which may be nil, is given the entries
// that were changed, batch by batch, when that is durable.

// Retry makes what matches and waits for a later time due now. Held mail stays held.
func (q *Queue) Retry(ctx context.Context, f Filter, each func([]Entry)) (Changed, error) {
	f.Held = new(bool)
	return q.act(ctx, f, each, func(l *Lease) (*outcome, int64) {
		now := micros(q.now())
		if l.entry.due <= now {
			return nil, 0
		}
		o := l.newOutcome()
		o.moveTo(spaceSchedule, now, l.entry.group)
		return o, int64(l.entry.count)
	})
}

// Hold keeps what matches from delivery until Resume. It holds whole groups: the other recipients
// of the same message at the same domain too.
func (q *Queue) Hold(ctx context.Context, f Filter, each func([]Entry)) (Changed, error) {
	f.Held = new(bool)
	return q.act(ctx, f, each, func(l *Lease) (*outcome, int64) {
		o := l.newOutcome()
		o.moveTo(spaceHeld, l.entry.due, l.entry.group)
		return o, int64(l.entry.count)
	})
}

// Resume ends a hold: the group is due as it was before.
func (q *Queue) Resume(ctx context.Context, f Filter, each func([]Entry)) (Changed, error) {
	held := true
	f.Held = &held
	return q.act(ctx, f, each, func(l *Lease) (*outcome, int64) {
		o := l.newOutcome()
		o.moveTo(spaceSchedule, l.entry.due, l.entry.group)
		return o, int64(l.entry.count)
	})
}

// LeaseMatching leases up to limit groups that match f whether they are due or held or not, for
// acts that end mail, whose events ride with the settlement. A filter by recipient leases the whole
// group; the caller settles the others as deferred. What is released will be found again.
func (q *Queue) LeaseMatching(ctx context.Context, f Filter, limit int) ([]*Lease, Changed, error) {
	var leases []*Lease
	var n Changed
	c := newCursor(f, true)
	for len(leases) < limit {
		found, err := q.step(c)
		if err == nil {
			err = ctx.Err()
		}
		if found == nil || err != nil {
			return leases, n, err
		}
		for _, hit := range found {
			l, skipped := q.claim(hit)
			n.Skipped += skipped
			if l == nil {
				continue
			}
			n.Recipients += q.matching(&f, hit)
			if leases = append(leases, l); len(leases) == limit {
				break
			}
		}
	}
	return leases, n, nil
}

// act leases everything that matches and changes it, one batch for each step of the search.
func (q *Queue) act(ctx context.Context, f Filter, each func([]Entry), change func(*Lease) (*outcome, int64)) (Changed, error) {
	var n Changed
	c := newCursor(f, true)
	for {
		found, err := q.step(c)
		if err == nil {
			err = ctx.Err()
		}
		if found == nil || err != nil {
			return n, err
		}
		r := &request{}
		changed := int64(0)
		var leases []*Lease
		var entries []Entry
		for _, hit := range found {
			l, skipped := q.claim(hit)
			n.Skipped += skipped
			if l == nil {
				continue
			}
			o, count := change(l)
			if o == nil {
				q.Release(l)
				continue
			}
			leases = append(leases, l)
			r.outcomes = append(r.outcomes, o)
			r.bytes += len(o.value)
			changed += count
			if each != nil {
				entries = q.appendEntries(entries, hit)
			}
		}
		if len(leases) == 0 {
			continue
		}
		if err := q.committer.submit(ctx, r); err != nil {
			for _, l := range leases {
				q.Release(l)
			}
			return n, err
		}
		n.Recipients += changed
		if each != nil {
			each(entries)
		}
	}
}

// appendEntries appends an entry for each recipient of a group.
func (q *Queue) appendEntries(entries []Entry, hit candidate) []Entry {
	now := micros(q.now())
	for i := range hit.entry.group.recipients {
		entries = append(entries, q.newEntry(hit, i, now))
	}
	return entries
}

// claim leases a group that a search found. It returns nil if it is in delivery, with the number of
// its recipients, or if it has gone since.
func (q *Queue) claim(c candidate) (*Lease, int64) {
	if c.err != nil {
		return nil, 0 // Lease puts it aside when its turn comes
	}
	e, ok := q.sched.claim(c.entry, c.space)
	if !ok {
		return nil, int64(c.entry.count)
	}
	if !q.exists(placeKey(c.space, e.name, e.slot)) {
		q.sched.disclaim(e)
		return nil, 0
	}
	return &Lease{
		Envelope: c.envelope, Domain: e.name.domain, Recipients: c.entry.group.recipients,
		Attempts: c.entry.group.attempts, Due: fromMicros(e.due),
		DelayWarned: c.entry.group.delayWarned, Held: c.space == spaceHeld,
		q: q, entry: e, space: c.space,
	}, 0
}

func (q *Queue) exists(key []byte) bool {
	done, err := q.reading()
	if err != nil {
		return false
	}
	defer done()
	_, closer, err := q.store.Get(key)
	if err != nil {
		return false
	}
	return closer.Close() == nil
}

// claim takes a group out of its window, if it is there, and marks it as leased; false if it is
// busy. It returns the entry to use.
func (s *schedule) claim(e *entry, space byte) (*entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, busy := s.busy[e.ticket()]; busy {
		return nil, false
	}
	if f := s.flows[e.name]; f != nil && space == spaceSchedule {
		if at, found := slices.BinarySearchFunc(f.window, e.slot, compareSlot); found {
			group := e.group
			e = s.take(f, at)
			e.group, e.value = group, nil
			s.changed(f, s.now())
		}
	}
	s.lend(e)
	return e, true
}

// disclaim ends the lease of an entry that is no longer on disk.
func (s *schedule) disclaim(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlend(e)
	s.cache.unref(e.msg)
}

func (s *schedule) isLeased(t ticket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	state, busy := s.busy[t]
	return busy && state == leasing
}

// errGone is the error of reading a record of a message that has ended meanwhile.
var errGone = errors.New("queue: the message has ended")

// envelopeOf returns the envelope of a group that is not leased and so may end meanwhile.
func (q *Queue) envelopeOf(e *entry) (*message.Envelope, error) {
	env, err := q.envelope(e)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, errGone
	}
	return env, err
}
