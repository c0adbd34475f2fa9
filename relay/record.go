package relay

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/posthaste-mta/posthaste/queue"
)

// Bounds of the outcomes that wait, and of what is gathered into one settlement of the queue: by number, and by
// what their reports and events hold. One outcome alone may be larger.
const (
	recordBacklog      = 512
	recordBacklogBytes = 16 << 20
	recordBatch        = 512
	recordBatchBytes   = 4 << 20
	// recordSmall is what an outcome may hold that counts by number alone, as nearly all do.
	recordSmall = 4 << 10
	// eventBytes is about what an event of a delivery holds.
	eventBytes = 1 << 10
)

// recorder gathers outcomes for the journal, which settles them and tells the event log.
//
// Lanes do not wait for it: an outcome not yet recorded is the bounded doubt of "at least once".
// When it falls behind, add blocks, and so do the lanes.
type recorder struct {
	relay *Relay
	in    chan outcome
	large *semaphore.Weighted // bytes of the larger outcomes that are not recorded
	once  sync.Once
	done  context.Context // ends when run has returned
	end   context.CancelFunc
}

func newRecorder(r *Relay) *recorder {
	c := &recorder{relay: r, in: make(chan outcome, recordBacklog), large: semaphore.NewWeighted(recordBacklogBytes)}
	c.done, c.end = context.WithCancel(context.Background())
	return c
}

// add hands over an outcome. After the recorder has failed it is thrown away: the mail is then still
// in the queue and will be tried again.
func (c *recorder) add(o outcome) {
	if n := o.weight(); n > 0 && c.large.Acquire(c.done, n) != nil {
		return
	}
	select {
	case c.in <- o:
	case <-c.done.Done():
	}
}

// close tells run to end after what has been added; nobody may call add any more.
func (c *recorder) close() { c.once.Do(func() { close(c.in) }) }

// run records until close. It returns early when an outcome cannot be recorded.
func (c *recorder) run() error {
	defer c.end()
	var batch batch
	for first := range c.in {
		batch.add(&first)
	gather:
		for !batch.full() {
			select {
			case o, ok := <-c.in:
				if !ok {
					break gather
				}
				batch.add(&o)
			default:
				break gather
			}
		}
		if err := c.relay.journal.commit(c.relay.delivering, &batch); err != nil {
			return err
		}
		c.relay.bounces.add(batch.events)
		c.large.Release(batch.weight)
		batch.reset()
	}
	return nil
}

// batch is what is recorded together.
type batch struct {
	events      []Event
	settlements []queue.Settlement
	weight      int64
	lines       []byte // the events, encoded; the journal's
}

func (b *batch) add(o *outcome) {
	b.events = append(b.events, o.events...)
	b.settlements = append(b.settlements, o.settlement)
	b.weight += o.weight()
}

// full tells that nothing more should be added.
func (b *batch) full() bool { return len(b.settlements) >= recordBatch || b.weight >= recordBatchBytes }

// reset empties the batch and keeps its memory: neither log nor queue hold on to what they were given.
func (b *batch) reset() {
	clear(b.events)
	clear(b.settlements)
	b.events, b.settlements, b.weight = b.events[:0], b.settlements[:0], 0
	if cap(b.lines) > 1<<20 {
		b.lines = nil // after a giant
	}
}
