package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// Settlement is what became of one lease.
type Settlement struct {
	Lease *Lease
	// Results and Statuses are parallel to Lease.Recipients. A status with code 0 leaves a deferred
	// recipient's newest outcome as it was.
	Results  []message.Result
	Statuses []message.Status
	// NextDue is when the deferred ones are due again; zero means as before.
	NextDue time.Time
	// Attempted counts this attempt.
	Attempted bool
	// DelayWarned tells that a delay warning has been made, in Reports or before.
	DelayWarned bool
	// Reports are messages of our own, stored in the same batch.
	Reports []NewMessage
}

// NewMessage is a message to be stored with a settlement. The queue takes ownership as Put does.
type NewMessage struct {
	Envelope   *message.Envelope
	Recipients []message.Recipient
	Content    []byte
}

// errEnded is returned for a lease that was settled, released or put aside before.
var errEnded = errors.New("queue: the lease has ended")

// Settle records what became of leases, all in one batch, and returns when it is on stable storage.
// On an error that is not ErrFailed or ErrClosed nothing was recorded and the leases are still out.
func (q *Queue) Settle(ctx context.Context, settlements []Settlement) error {
	return q.settle(ctx, settlements, &request{})
}

// settle adds the settlements to r and has it written.
func (q *Queue) settle(ctx context.Context, settlements []Settlement, r *request) error {
	r.bytes += len(r.note)
	for i := range settlements {
		if err := q.prepare(r, &settlements[i]); err != nil {
			return err
		}
	}
	claimed, err := claim(settlements)
	if err == nil {
		err = q.committer.submit(ctx, r)
	}
	if err != nil {
		for i := range settlements[:claimed] {
			settlements[i].Lease.ended.Store(false)
		}
	}
	return err
}

// claim ends the leases, so that none is settled twice. It returns how many it ended.
func claim(settlements []Settlement) (int, error) {
	for i := range settlements {
		if !settlements[i].Lease.ended.CompareAndSwap(false, true) {
			return i, errEnded
		}
	}
	return len(settlements), nil
}

// prepare adds a settlement to the request.
func (q *Queue) prepare(r *request, s *Settlement) error {
	n := len(s.Lease.Recipients)
	if len(s.Results) != n || len(s.Statuses) != n {
		return fmt.Errorf("queue: %d results and %d statuses for %d recipients", len(s.Results), len(s.Statuses), n)
	}
	o := s.outcome()
	r.outcomes = append(r.outcomes, o)
	r.bytes += len(o.value)
	for _, m := range s.Reports {
		p, err := q.newIncoming(m.Envelope, m.Recipients, m.Content, spaceSchedule)
		if err != nil {
			return fmt.Errorf("queue: report: %w", err)
		}
		r.puts = append(r.puts, p)
		r.bytes += len(m.Content)
	}
	return nil
}

// outcome turns the settlement into a change of its group.
func (s *Settlement) outcome() *outcome {
	l := s.Lease
	o := l.newOutcome()
	var rest []message.Recipient
	for i, result := range s.Results {
		if result.Ended() {
			o.ended[result]++
			continue
		}
		rcpt := l.Recipients[i]
		if s.Statuses[i].Code != 0 {
			rcpt.Last = s.Statuses[i]
		}
		rest = append(rest, rcpt)
	}
	if len(rest) == 0 {
		return o
	}
	due := l.entry.due
	if !s.NextDue.IsZero() {
		due = micros(s.NextDue)
	}
	g := &group{
		recipients: rest, attempts: l.Attempts, envelope: l.entry.group.envelope,
		delayWarned: l.DelayWarned || s.DelayWarned,
	}
	if s.Attempted {
		g.attempts++
	}
	o.moveTo(l.space, due, g)
	return o
}

func (l *Lease) newOutcome() *outcome {
	return &outcome{
		space: l.space, old: l.entry, size: l.Envelope.Size,
		only: l.entry.group.envelope != nil,
	}
}

// moveTo gives the group its next place.
func (o *outcome) moveTo(space byte, due int64, g *group) {
	o.nextSpace = space
	o.next = &entry{name: o.old.name, group: g, slot: slot{
		due: due, id: o.old.id, group: o.old.slot.group, gen: o.old.gen + 1,
		count: uint16(len(g.recipients)), tried: g.attempts > 0,
	}}
	o.value = appendGroup(nil, placeKey(space, o.next.name, o.next.slot), g)
}
