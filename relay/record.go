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
	recordBacklog = 4096
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
	var batch []outcome
	for first := range c.in {
		batch = append(batch[:0], first)
	gather:
		for len(batch) < recordBatch {
			select {
			case o, ok := <-c.in:
				if !ok {
					break gather
				}
				batch = append(batch, o)
			default:
				break gather
			}
		}
		if err := c.commitNow(batch); err != nil {
			return err
		}
		clear(batch)
	}
	return nil
}

// commitNow records a batch and returns when it is durable.
func (c *recorder) commitNow(batch []outcome) error {
	events := make([]Event, 0, 2*len(batch))
	settlements := make([]queue.Settlement, 0, len(batch))
	for i := range batch {
		events = append(events, batch[i].events...)
		settlements = append(settlements, batch[i].settlement)
	}
	return c.commit(events, settlements)
}

// commit writes one batch. A full disk under the event log is waited out; delivery pauses meanwhile.
func (c *recorder) commit(events []Event, settlements []queue.Settlement) error {
	const patience = time.Second
	appended := false
	for tries := 0; ; tries++ {
		var err error
		if !appended {
			if err = c.relay.events.Append(events); err == nil {
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
	if err := c.relay.queue.Settle(context.Background(), settlements); err != nil {
		return fmt.Errorf("recording outcomes: %w", err)
	}
	return nil
}
