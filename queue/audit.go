package queue

import (
	"context"
	"fmt"

	"github.com/posthaste-mta/posthaste/message"
)

// Audit is the proof that accepted = ended + queued, in recipients.
type Audit struct {
	AcceptedMessages int64
	Accepted         int64
	Ended            [message.NumResults]int64 // by result; Deferred stays 0
	Damaged          int64                     // put aside because of a damaged record
	Queued           int64                     // counted entry by entry, held ones too
	Held             int64                     // of those, on hold
	// Expected is what is queued according to the durable counters.
	Expected int64
	// DamagedParts is how many parts of the disk could not be read: what was in them is missing
	// from Queued.
	DamagedParts int
}

// Unaccounted returns accepted less ended less queued: 0 unless a part of the disk is damaged or
// there is a mistake in the queue.
func (a Audit) Unaccounted() int64 {
	n := a.Accepted - a.Damaged - a.Queued
	for _, e := range a.Ended {
		n -= e
	}
	return n
}

// Audit compares the durable counters with what is queued, on one snapshot. It reads every key of
// the schedule but no records.
func (q *Queue) Audit(ctx context.Context) (Audit, error) {
	done, err := q.reading()
	if err != nil {
		return Audit{}, err
	}
	defer done()
	snap := q.store.NewSnapshot()
	defer snap.Close()
	c, err := loadCounters(snap)
	if err != nil {
		return Audit{}, err
	}
	a := Audit{
		AcceptedMessages: c.acceptedMessages, Accepted: c.accepted, Ended: c.ended,
		Damaged: c.damaged, Expected: c.queued,
	}
	for _, space := range []byte{spaceHeld, spaceSchedule} {
		w, err := newWalk(q.store, snap, []byte{space}, []byte{space + 1})
		if err != nil {
			return a, err
		}
		err = q.auditSpace(ctx, w, space, &a)
		a.DamagedParts += w.damaged
		if closeErr := w.close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return a, err
		}
	}
	return a, nil
}

func (q *Queue) auditSpace(ctx context.Context, w *walk, space byte, a *Audit) error {
	for n := 0; w.valid(); n++ {
		if n%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			select {
			case <-q.closed:
				return ErrClosed
			default:
			}
		}
		_, at, err := parsePlace(w.it.Key())
		if err != nil {
			return fmt.Errorf("queue: audit: %w", err)
		}
		a.Queued += int64(at.count)
		if space == spaceHeld {
			a.Held += int64(at.count)
		}
		w.next()
	}
	return nil
}
