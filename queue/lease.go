package queue

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
)

// Lease is a group of recipients of one message at one domain, lent out for one attempt. It ends in
// Settle or Release.
type Lease struct {
	Envelope    *message.Envelope // shared; do not change
	Domain      string
	Recipients  []message.Recipient // Last holds each one's newest outcome; do not change
	Attempts    int                 // made before this one
	Due         time.Time
	DelayWarned bool // a delay warning has been sent
	Held        bool // LeaseMatching took it out of a hold
	// More tells that the domain had more mail due when this was leased. Otherwise it will be announced
	// again by NextReady, as if Lease had returned nil.
	More bool

	q       *Queue
	entry   *entry
	space   byte
	content []byte
	ended   atomic.Bool
}

// NextReady blocks until a domain has become ready: it has mail that is due, and it was not ready
// before or Lease has returned nil for it since. Each time is announced once, to one caller.
func (q *Queue) NextReady(ctx context.Context) (domain string, err error) {
	domain, err = q.sched.nextReady(ctx, q.closed, q.store.failed)
	if errors.Is(err, ErrFailed) {
		err = q.store.err()
	}
	return domain, err
}

// Lease lends out the domain's next due group. It returns nil, nil when nothing is due; the domain
// will then be announced again by NextReady.
func (q *Queue) Lease(domain string) (*Lease, error) {
	for {
		if err := q.usable(); err != nil {
			return nil, err
		}
		e, content, more := q.sched.lease(domain)
		if e == nil {
			return nil, nil
		}
		l, err := q.newLease(e, spaceSchedule, content)
		if err == nil {
			l.More = more
			return l, nil
		}
		if !errors.Is(err, ErrDamaged) {
			q.sched.release(e, spaceSchedule)
			return nil, err
		}
		if err := q.putAside(e, spaceSchedule, err); err != nil {
			return nil, err
		}
	}
}

// newLease decodes what the entry has not yet, and finds its envelope.
func (q *Queue) newLease(e *entry, space byte, content []byte) (*Lease, error) {
	if e.group == nil {
		g, err := decodeGroup(placeKey(space, e.name, e.slot), e.value)
		if err != nil {
			return nil, err
		}
		if len(g.recipients) != int(e.count) {
			return nil, fmt.Errorf("%w: %d recipients under a key for %d", ErrDamaged, len(g.recipients), e.count)
		}
		e.group, e.value = g, nil
	}
	l := &Lease{
		Domain: e.name.domain, Recipients: e.group.recipients, Attempts: e.group.attempts,
		Due: fromMicros(e.due), DelayWarned: e.group.delayWarned, Held: space == spaceHeld,
		q: q, entry: e, space: space, content: content,
	}
	var err error
	l.Envelope, err = q.envelope(e)
	return l, err
}

// envelope returns the envelope of a decoded entry.
func (q *Queue) envelope(e *entry) (*message.Envelope, error) {
	switch {
	case e.group.envelope != nil:
		return e.group.envelope, nil
	case e.msg != nil:
		return e.msg.envelope, nil
	}
	done, err := q.reading()
	if err != nil {
		return nil, err
	}
	defer done()
	key := idKey(spaceEnvelope, e.id)
	value, closer, err := q.store.Get(key)
	if err != nil {
		return nil, readError(err, "the envelope of "+e.id.String())
	}
	defer closer.Close()
	return decodeEnvelopeRecord(key, value)
}

// Content returns the message's content, from memory or from disk. It must not be changed. If the
// error is ErrDamaged the recipients have been put aside and the lease has ended.
func (l *Lease) Content() ([]byte, error) {
	if l.content != nil {
		return l.content, nil
	}
	content, err := l.q.readContent(l.entry.id)
	if err == nil && int64(len(content)) != l.Envelope.Size {
		err = fmt.Errorf("%w: content of %d bytes, not %d", ErrDamaged, len(content), l.Envelope.Size)
	}
	if err == nil {
		l.content = content
		return content, nil
	}
	if errors.Is(err, ErrDamaged) && l.ended.CompareAndSwap(false, true) {
		if aside := l.q.putAside(l.entry, l.space, err); aside != nil {
			return nil, aside
		}
	}
	return nil, err
}

// DropContent forgets the content, which the next call of Content reads again. A lease that only waits to be settled
// holds no memory for it then.
func (l *Lease) DropContent() { l.content = nil }

func (q *Queue) readContent(id message.ID) ([]byte, error) {
	done, err := q.reading()
	if err != nil {
		return nil, err
	}
	defer done()
	key := idKey(spaceContent, id)
	value, closer, err := q.store.Get(key)
	if err != nil {
		return nil, readError(err, "the content of "+id.String())
	}
	defer closer.Close()
	content, err := openRecord(key, value)
	if err != nil {
		return nil, err
	}
	return append(make([]byte, 0, len(content)), content...), nil
}

// readError tells damage, which costs one message, from a failure to read.
func readError(err error, what string) error {
	if errors.Is(err, pebble.ErrNotFound) || pebble.IsCorruptionError(err) {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, what, err)
	}
	return fmt.Errorf("queue: reading %s: %w", what, err)
}

// Release gives a lease back unattempted; its group is due as before.
func (q *Queue) Release(l *Lease) {
	if l.ended.CompareAndSwap(false, true) {
		q.sched.release(l.entry, l.space)
	}
}

// putAside keeps a leased group out of the queue for good because of why, with its record, its
// envelope and its content, for a human to look at.
func (q *Queue) putAside(e *entry, space byte, why error) error {
	q.log.Error("queue: a message is damaged and has been put aside", zap.Stringer("id", e.id),
		zap.String("domain", e.name.domain), zap.Int("recipients", int(e.count)), zap.Error(why))
	value := e.value
	if value == nil {
		value = appendGroup(nil, placeKey(space, e.name, e.slot), e.group)
	}
	o := &outcome{space: space, old: e, damaged: true, value: value}
	return q.committer.submit(context.Background(), &request{outcomes: []*outcome{o}, bytes: len(value)})
}
