package relay

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/queue"
)

// Bounds of what is gathered into one settlement of the queue.
const (
	recordBacklog = 512
	recordBatch   = 512
)

// recorder writes outcomes: first all events of a batch to the event log, then the batch to the queue. In
// that order a crash in between leaves an end that is told twice, because the mail is sent
// twice, but never one that is not told.
//
// Lanes do not wait for it: an outcome not yet recorded is the bounded doubt of "at least once".
// When it falls behind, add blocks, and so do the lanes.
type recorder struct {
	relay *Relay
	in    chan outcome
	once  sync.Once
	done  chan struct{} // closed when run has returned
}

func newRecorder(r *Relay) *recorder {
	return &recorder{relay: r, in: make(chan outcome, recordBacklog), done: make(chan struct{})}
}

// add hands over an outcome. After the recorder has failed it is thrown away: the mail is then still
// in the queue and will be tried again.
func (c *recorder) add(o outcome) {
	select {
	case c.in <- o:
	case <-c.done:
	}
}

// close tells run to end after what has been added; nobody may call add any more.
func (c *recorder) close() { c.once.Do(func() { close(c.in) }) }

// run records until close. It returns early when an outcome cannot be recorded.
func (c *recorder) run() error {
	defer close(c.done)
	var batch batch
	for first := range c.in {
		batch.add(&first)
	gather:
		for len(batch.settlements) < recordBatch {
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
		if err := c.commit(&batch); err != nil {
			return err
		}
		batch.reset()
	}
	return nil
}

// batch is what is recorded together.
type batch struct {
	events      []Event
	settlements []queue.Settlement
}

func (b *batch) add(o *outcome) {
	b.events = append(b.events, o.events...)
	b.settlements = append(b.settlements, o.settlement)
}

// reset empties the batch and keeps its memory: neither log nor queue hold on to what they were given.
func (b *batch) reset() {
	clear(b.events)
	clear(b.settlements)
	b.events, b.settlements = b.events[:0], b.settlements[:0]
}

// commit records a batch and returns when it is durable. A full disk under the event log is waited out; delivery
// pauses meanwhile.
func (c *recorder) commit(b *batch) error {
	const patience = time.Second
	appended := false
	for tries := 0; ; tries++ {
		var err error
		if !appended {
			if err = c.relay.events.Append(b.events); err == nil {
				appended = true
			}
		}
		if appended {
			err = c.relay.events.Flush()
		}
		if err == nil {
			break
		}
		if tries == 0 {
			c.relay.log.Error("event log cannot be written; delivery pauses until it can", zap.Error(err))
		}
		select {
		case <-time.After(patience):
		case <-c.relay.delivering.Done():
			return fmt.Errorf("recording outcomes: %w", err)
		}
	}
	if err := c.relay.queue.Settle(context.Background(), b.settlements); err != nil {
		return fmt.Errorf("recording outcomes: %w", err)
	}
	return nil
}
