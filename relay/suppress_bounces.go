package relay

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/classify"
	"github.com/posthaste-mta/posthaste/policy/suppress"
)

// bounceNotes hands the hard bounces that are recorded to the suppression lists, on goroutines of its own: what the
// lists need of the disk is not to be waited for by delivery. A bounce that is not noted is one count less towards an
// entry, which the next bounce makes up for; so a crash may lose some, and so may a flood of them.
type bounceNotes struct {
	relay   *Relay
	in      chan hardBounce
	ended   sync.WaitGroup
	ctx     context.Context // ends soon after close, whatever is left
	giveUp  context.CancelFunc
	dropped atomic.Uint64
}

// hardBounce is what the lists want to know of one.
type hardBounce struct {
	tenant, to, class string
	why               suppress.Evidence
}

const (
	// bounceBacklog bounds the bounces that wait for the lists.
	bounceBacklog = 4096
	// bounceWorkers is how many are noted at a time: those that enter a list share their syncs.
	bounceWorkers = 8
	// bouncePatience is how long close waits for what is left of them.
	bouncePatience = 2 * time.Second
)

func newBounceNotes(r *Relay) *bounceNotes {
	b := &bounceNotes{relay: r, in: make(chan hardBounce, bounceBacklog)}
	b.ctx, b.giveUp = context.WithCancel(context.Background())
	return b
}

// start starts the goroutines; close ends them.
func (b *bounceNotes) start() {
	for range bounceWorkers {
		b.ended.Go(b.run)
	}
}

// close ends them when what was added has been noted, or when that takes too long: a disk that hangs must not keep the
// process from ending, and a count is lost without harm. Nobody may call add any more.
func (b *bounceNotes) close() {
	close(b.in)
	timer := time.AfterFunc(bouncePatience, b.giveUp)
	defer timer.Stop()
	b.ended.Wait()
	b.giveUp()
}

// add takes in outcomes that are recorded. It does not wait. What bounces at our own mailboxes does not count: whether
// there is one is known at RCPT, and one that was made anew would get no mail.
func (b *bounceNotes) add(events []Event) {
	p := b.relay.policy.Load()
	if p.Suppression == nil {
		return
	}
	for i := range events {
		e := &events[i]
		if e.Type != EventBounced || e.Protocol == "local" || p.Classes.Action(classify.Of(e.Classification)) != classify.CountBounce {
			continue
		}
		note := hardBounce{e.Tenant, e.Recipient, e.Classification, suppress.Evidence{Event: e.ID.String(), Remote: e.Status.String()}}
		select {
		case b.in <- note:
		default:
			b.dropped.Add(1)
		}
	}
}

func (b *bounceNotes) run() {
	failing := false
	for n := range b.in {
		list := b.relay.policy.Load().Suppression
		if list == nil || b.ctx.Err() != nil {
			continue
		}
		to, err := message.ParseAddress(n.to, true)
		if err != nil {
			continue // none that could be named again
		}
		entered, err := list.Note(b.ctx, n.tenant, to, n.class, n.why)
		switch {
		case err != nil && !failing:
			b.relay.log.Error("suppression: hard bounces are not counted", zap.Error(err))
		case entered:
			b.relay.log.Info("suppression: an address has entered the list", zap.String("tenant", n.tenant),
				zap.String("address", Printable(n.to, 320)), zap.String("event", n.why.Event))
		}
		failing = err != nil
	}
}
