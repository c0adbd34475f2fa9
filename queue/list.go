package queue

import (
	"context"
	"iter"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
)

// State tells what an entry waits for.
type State uint8

const (
	Active    State = iota // due now
	Waiting                // due later
	OnHold                 // until an operator resumes it
	InFlight               // leased
	NumStates              // how many states there are
)

// String returns the name that listings and metrics use.
func (s State) String() string {
	return [...]string{"active", "deferred", "held", "in delivery", "unknown"}[min(s, NumStates)]
}

// Entry is one recipient in the queue.
type Entry struct {
	ID        message.ID
	Envelope  *message.Envelope // shared; do not change
	Sender    string
	Size      int64
	Arrived   time.Time
	Tenant    string
	Class     message.Class
	Domain    string
	Recipient message.Recipient // with its newest outcome
	Attempts  int
	Due       time.Time
	State     State
}

// Counts are what is queued, in recipients by State and in groups (see Lease).
type Counts struct {
	Recipients [NumStates]int64
	Groups     int64
}

// candidate is a group that a search found.
type candidate struct {
	entry    *entry // with its group decoded, if the search looked at records
	space    byte
	envelope *message.Envelope
	err      error // the record is damaged
}

const searchStep = 512 // keys looked at before the store is let go

// cursor is how far a search has come.
type cursor struct {
	filter Filter
	spaces []byte
	from   []byte // where to go on in spaces[0]; nil at its start
	read   bool   // look at records even if the filter does not ask for it
}

func newCursor(f Filter, read bool) *cursor {
	return &cursor{filter: f, spaces: f.spaces(), read: read || f.needsRecord()}
}

// step goes on with a search. It returns nil, nil at the end only, but maybe an empty slice.
func (q *Queue) step(c *cursor) ([]candidate, error) {
	if len(c.spaces) == 0 {
		return nil, nil
	}
	done, err := q.reading()
	if err != nil {
		return nil, err
	}
	defer done()
	space := c.spaces[0]
	lower, upper := c.filter.bounds(space)
	if c.from != nil {
		lower = c.from
	}
	w, err := newWalk(q.store, q.store, lower, upper)
	if err != nil {
		return nil, err
	}
	found := []candidate{}
	for n := 0; w.valid(); n++ {
		if n == searchStep {
			c.from = append([]byte(nil), w.it.Key()...)
			return found, w.close()
		}
		if hit, ok := q.examine(c, w, space); ok {
			found = append(found, hit)
		}
		w.next()
	}
	c.spaces, c.from = c.spaces[1:], nil
	return found, w.close()
}

// examine looks at the group under the walk.
func (q *Queue) examine(c *cursor, w *walk, space byte) (candidate, bool) {
	name, at, err := parsePlace(w.it.Key())
	if err != nil {
		return candidate{err: err}, true
	}
	if !c.filter.matchesPlace(name, at) {
		return candidate{}, false
	}
	hit := candidate{entry: &entry{name: name, slot: at}, space: space}
	if !c.read {
		return hit, true
	}
	value, err := w.value()
	if err == nil {
		hit.entry.group, err = decodeGroup(w.it.Key(), value)
	}
	if err == nil {
		hit.envelope, err = q.envelopeOf(hit.entry)
	}
	if err != nil {
		hit.err = err
		return hit, true
	}
	if !c.filter.matchesEnvelope(hit.envelope, q.now()) {
		return candidate{}, false
	}
	for i := range hit.entry.group.recipients {
		if c.filter.MatchesRecipient(&hit.entry.group.recipients[i]) {
			return hit, true
		}
	}
	return candidate{}, false
}

// state tells what a group waits for.
func (q *Queue) state(c candidate, now int64) State {
	switch {
	case q.sched.isLeased(c.entry.ticket()):
		return InFlight
	case c.space == spaceHeld:
		return OnHold
	case c.entry.due <= now:
		return Active
	}
	return Waiting
}

// List yields the entries that match f, at most limit if that is above 0. Mail goes on meanwhile:
// an entry that moves may be seen twice or not at all. A damaged entry is yielded as ErrDamaged and
// the list goes on.
func (q *Queue) List(ctx context.Context, f Filter, limit int) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		c := newCursor(f, true)
		for n := 0; ; {
			found, err := q.step(c)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if found == nil {
				return
			}
			now := micros(q.now())
			for _, hit := range found {
				if hit.err != nil {
					if !yield(Entry{}, hit.err) {
						return
					}
					continue
				}
				for i := range hit.entry.group.recipients {
					if !f.MatchesRecipient(&hit.entry.group.recipients[i]) {
						continue
					}
					if !yield(q.newEntry(hit, i, now), nil) {
						return
					}
					if n++; n == limit {
						return
					}
				}
			}
		}
	}
}

func (q *Queue) newEntry(c candidate, i int, now int64) Entry {
	return Entry{
		ID: c.entry.id, Envelope: c.envelope, Sender: c.envelope.Sender, Size: c.envelope.Size,
		Arrived: c.envelope.ArrivedAt, Tenant: c.entry.name.tenant, Class: c.entry.name.class,
		Domain: c.entry.name.domain, Recipient: c.entry.group.recipients[i],
		Attempts: c.entry.group.attempts, Due: fromMicros(c.entry.due), State: q.state(c, now),
	}
}

// Count tells how much matches. Without a filter on sender, recipient or age it reads no records.
func (q *Queue) Count(ctx context.Context, f Filter) (Counts, error) {
	var n Counts
	c := newCursor(f, false)
	for {
		found, err := q.step(c)
		if err == nil {
			err = ctx.Err()
		}
		if found == nil || err != nil {
			return n, err
		}
		now := micros(q.now())
		for _, hit := range found {
			if hit.err != nil {
				q.log.Warn("queue: not counted", zap.Error(hit.err))
				continue
			}
			n.Groups++
			n.Recipients[q.state(hit, now)] += q.matching(&f, hit)
		}
	}
}

// matching tells how many recipients of a found group match.
func (q *Queue) matching(f *Filter, c candidate) int64 {
	if f.Recipient == "" || c.entry.group == nil {
		return int64(c.entry.count)
	}
	n := int64(0)
	for i := range c.entry.group.recipients {
		if f.MatchesRecipient(&c.entry.group.recipients[i]) {
			n++
		}
	}
	return n
}
