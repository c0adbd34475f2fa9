package relay

import (
	"context"
	"iter"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/classify"
	"github.com/posthaste-mta/posthaste/queue"
)

// This file is what operators do to the queue while the relay runs. Mail that is in delivery is left
// alone and counted as skipped.

// endBatch is how many groups an operator's act ends at a time.
const endBatch = 256

// List yields the entries that match f, at most limit if that is above 0.
func (r *Relay) List(ctx context.Context, f queue.Filter, limit int) iter.Seq2[queue.Entry, error] {
	return r.queue.List(ctx, f, limit)
}

// Count tells how many recipients match.
func (r *Relay) Count(ctx context.Context, f queue.Filter) (queue.Counts, error) {
	return r.queue.Count(ctx, f)
}

// Retry makes what matches due now, also at sites that are suspended.
func (r *Relay) Retry(ctx context.Context, f queue.Filter) (queue.Changed, error) {
	r.lanes.resume()
	return r.queue.Retry(ctx, f, nil)
}

// Hold keeps what matches from delivery until Resume.
func (r *Relay) Hold(ctx context.Context, f queue.Filter) (queue.Changed, error) {
	return r.queue.Hold(ctx, f, r.tell(EventHeld))
}

// Resume ends a hold: the mail is due as it was before.
func (r *Relay) Resume(ctx context.Context, f queue.Filter) (queue.Changed, error) {
	return r.queue.Resume(ctx, f, r.tell(EventReleased))
}

// tell returns what writes an event of type t for each entry.
func (r *Relay) tell(t EventType) func([]queue.Entry) {
	return func(entries []queue.Entry) {
		now := time.Now()
		events := make([]Event, len(entries))
		for i := range entries {
			events[i] = entryEvent(t, &entries[i], now)
		}
		if err := r.events.Append(events); err != nil {
			r.metrics.eventsLost.Add(uint64(len(events)))
		}
	}
}

func entryEvent(t EventType, e *queue.Entry, now time.Time) Event {
	return Event{
		Type: t, ID: e.ID, Sender: e.Sender, Recipient: e.Recipient.Address, Domain: e.Domain,
		Tenant: e.Tenant, Class: e.Class, Size: e.Size, Status: e.Recipient.Last,
		Timestamp: now, Created: e.Arrived, Attempts: e.Attempts,
	}
}

// Drop ends what matches without a bounce.
func (r *Relay) Drop(ctx context.Context, f queue.Filter) (queue.Changed, error) {
	return r.endMatching(ctx, f, message.Dropped, localStatus(550, message.EnhancedCode{5, 7, 0}, "dropped by an operator"))
}

// Bounce ends what matches as undeliverable; the sender's report gives the reason.
func (r *Relay) Bounce(ctx context.Context, f queue.Filter, reason string) (queue.Changed, error) {
	return r.endMatching(ctx, f, message.Bounced, localStatus(550, message.EnhancedCode{5, 7, 0}, reason))
}

// endMatching ends what matches f with one result, in batches that are durable when it returns.
func (r *Relay) endMatching(ctx context.Context, f queue.Filter, result message.Result, status message.Status) (queue.Changed, error) {
	var total queue.Changed
	for {
		leases, changed, err := r.queue.LeaseMatching(ctx, f, endBatch)
		total.Skipped = changed.Skipped
		if len(leases) == 0 || err != nil {
			r.release(leases)
			return total, err
		}
		ended, err := r.endLeases(leases, f, result, status)
		total.Recipients += ended
		if err != nil {
			return total, err
		}
	}
}

// endLeases ends what matches f of leases, in as many batches as the reports about it need. What an error leaves
// is released.
func (r *Relay) endLeases(leases []*queue.Lease, f queue.Filter, result message.Result, status message.Status) (int64, error) {
	var batch batch
	var ended, recorded int64
	for i, lease := range leases {
		o, n := r.endLease(lease, f, result, status)
		ended += n
		if batch.add(&o); i < len(leases)-1 && !batch.full() {
			continue
		}
		if err := r.journal.commit(r.delivering, &batch); err != nil {
			r.release(leases)
			return recorded, err
		}
		recorded = ended
		batch.reset()
	}
	return recorded, nil
}

func (r *Relay) release(leases []*queue.Lease) {
	for _, lease := range leases {
		r.queue.Release(lease)
	}
}

// endLease makes the outcome that ends those of a lease's recipients that match f and leaves the others as
// they were.
func (r *Relay) endLease(lease *queue.Lease, f queue.Filter, result message.Result, status message.Status) (outcome, int64) {
	p := r.policy.Load()
	a := newAttempt(lease, &peerFacts{})
	o := outcome{settlement: queue.Settlement{
		Lease: lease, Results: a.results, Statuses: a.statuses,
		NextDue: lease.Due, DelayWarned: lease.DelayWarned,
	}}
	var ended int64
	now := r.queue.Now()
	for i, rcpt := range lease.Recipients {
		if !f.MatchesRecipient(&rcpt) {
			a.statuses[i] = rcpt.Last
			continue
		}
		a.statuses[i] = status
		o.settlement.Results[i] = result
		o.results[result]++
		ended++
		o.events = append(o.events, Event{
			Type: EventOf(result), ID: lease.Envelope.ID, Sender: lease.Envelope.Sender, Recipient: rcpt.Address,
			Domain: lease.Domain, Tenant: lease.Envelope.Tenant, Class: lease.Envelope.Class, Size: lease.Envelope.Size,
			Status: status, Timestamp: time.Now(), Created: lease.Envelope.ArrivedAt, Attempts: lease.Attempts,
			MessageID: lease.Envelope.MessageID,
		})
	}
	if result == message.Bounced {
		none := make([]classify.Verdict, len(a.statuses)) // no host has said this
		r.addReports(p, p.Retry.For(lease.Domain), a, &o, none, now)
	}
	return o, ended
}

// Audit compares what was accepted with what has ended and what is queued.
func (r *Relay) Audit(ctx context.Context) (queue.Audit, error) { return r.queue.Audit(ctx) }

// Backup copies the queue to dir, which must not exist, while mail goes on.
func (r *Relay) Backup(_ context.Context, dir string) error { return r.queue.Backup(dir) }

// SiteDomains returns the domains with mail known to be behind a site.
func (r *Relay) SiteDomains(site string) []string { return r.lanes.domainsOf(site) }
