package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/queue"
)

const (
	// journalSync is how long an end that is told may go without a sync of the event log.
	journalSync = 500 * time.Millisecond
	// journalBytes bounds the lines that are kept in the queue because the event log is not synced yet.
	journalBytes = 8 << 20
	// journalPatience is the time between attempts to write an event log that cannot be written.
	journalPatience = time.Second
)

// journal settles outcomes and tells the event log of them, so that after any crash the log has one
// line for each end that is durable, and none for one that is not.
//
// It is an outbox: the lines go into the queue as a note, in the settlement's own batch, and then into
// the log, which is synced in the background; what is synced has its note dropped. What a crash
// left of notes is compared with the log at the next start. The other order, first the log and then the
// settlement, would tell of ends and reports that never came to be, and would need a sync of the log for each
// batch: that costs a third more processor time.
type journal struct {
	queue  *queue.Queue
	events *EventLog
	log    *zap.Logger

	mu    sync.Mutex
	told  []queue.NoteID // in the log, but perhaps not synced
	bytes int            // of their lines

	dirty chan struct{} // capacity 1: told is not empty
	quit  chan struct{}
	syncs sync.WaitGroup
}

func newJournal(q *queue.Queue, events *EventLog, log *zap.Logger) *journal {
	return &journal{queue: q, events: events, log: log, dirty: make(chan struct{}, 1), quit: make(chan struct{})}
}

// commit records a batch and returns when it is durable. While the event log cannot be written it waits, and
// delivery pauses with it, but not beyond the end of ctx: what the log cannot take then it gets at the
// next start.
func (j *journal) commit(ctx context.Context, b *batch) error {
	_ = j.patiently(ctx, j.ready)
	b.lines = j.events.encode(b.lines[:0], b.events)
	id, err := j.queue.SettleNoted(context.Background(), b.settlements, b.lines)
	if err != nil {
		return fmt.Errorf("recording outcomes: %w", err)
	}
	if err := j.events.appendLines(b.lines, b.events); err == nil && id != 0 { // else it is closed
		j.add(id, len(b.lines))
	}
	return nil
}

// accept makes a message ours some of whose recipients end with that. put writes it, with the events' lines as its
// note. While the event log cannot be written nothing is accepted: an end that cannot be told must not happen.
func (j *journal) accept(events []Event, put func(note []byte) (queue.NoteID, error)) error {
	if err := j.ready(); err != nil {
		return err
	}
	lines := j.events.encode(nil, events)
	id, err := put(lines)
	if err != nil {
		return err
	}
	if err := j.events.appendLines(lines, events); err == nil && id != 0 { // else it is closed
		j.add(id, len(lines))
	}
	return nil
}

// ready tells whether the log takes lines, and makes room for their note.
func (j *journal) ready() error {
	j.mu.Lock()
	full := j.bytes >= journalBytes
	j.mu.Unlock()
	if full {
		return j.sync()
	}
	return j.events.ready()
}

func (j *journal) add(id queue.NoteID, size int) {
	j.mu.Lock()
	j.told = append(j.told, id)
	j.bytes += size
	j.mu.Unlock()
	j.wake()
}

func (j *journal) wake() {
	select {
	case j.dirty <- struct{}{}:
	default:
	}
}

// start starts to sync in the background; close ends it.
func (j *journal) start() { j.syncs.Go(j.syncInBackground) }

// close syncs what has been told and ends the journal. The event log tells of the error, if any, when it is closed.
func (j *journal) close() {
	close(j.quit)
	j.syncs.Wait()
	_ = j.sync()
}

func (j *journal) syncInBackground() {
	failing := false
	timer := time.NewTimer(journalSync)
	defer timer.Stop()
	for {
		select {
		case <-j.dirty:
		case <-j.quit:
			return
		}
		timer.Reset(journalSync)
		select {
		case <-timer.C:
		case <-j.quit:
			return
		}
		err := j.sync()
		if err != nil && !failing {
			j.log.Error("event log cannot be synced; the queue keeps its lines meanwhile", zap.Error(err))
		}
		if failing = err != nil; failing {
			j.wake()
		}
	}
}

// sync syncs the log and drops the notes of what is safe in it then.
func (j *journal) sync() error {
	j.mu.Lock()
	told, size := j.told, j.bytes
	j.told, j.bytes = nil, 0
	j.mu.Unlock()
	if len(told) == 0 {
		return nil
	}
	if err := j.events.Sync(); err != nil {
		j.mu.Lock()
		j.told, j.bytes = append(told, j.told...), j.bytes+size
		j.mu.Unlock()
		return err
	}
	// If this fails so has the queue: the notes are still there at the next start, and the lines found.
	_ = j.queue.DropNotes(context.Background(), told)
	return nil
}

// TellLeft writes to the event log the lines that a crash has kept out of it, which the queue has as notes.
// It must be called before the queue is used by a Relay, which does so itself when it begins to
// run. While the log cannot be written it waits until ctx ends.
func TellLeft(ctx context.Context, q *queue.Queue, events *EventLog, log *zap.Logger) error {
	return newJournal(q, events, log).tellLeft(ctx)
}

func (j *journal) tellLeft(ctx context.Context) error {
	notes, err := j.queue.Notes(ctx)
	if err != nil || len(notes) == 0 {
		return err
	}
	ids, texts := make([]queue.NoteID, len(notes)), make([][]byte, len(notes))
	for i, n := range notes {
		ids[i], texts[i] = n.ID, n.Text
	}
	missing, err := j.events.missing(texts)
	if err != nil { // rather twice than never
		j.log.Warn("event log: lines that it has already may be written again", zap.Error(err))
		err = nil
	}
	if len(missing) > 0 {
		j.log.Info("event log: lines that the last crash kept out of it are written", zap.Int("bytes", len(missing)))
		err = j.events.appendLines(missing, nil)
	}
	if err == nil {
		err = j.patiently(ctx, j.events.Sync)
	}
	if err == nil {
		err = j.queue.DropNotes(ctx, ids)
	}
	if err != nil {
		return fmt.Errorf("event log: lines left by a crash: %w", err)
	}
	return nil
}

// patiently does what needs the event log again and again until it can be done, or ctx ends.
func (j *journal) patiently(ctx context.Context, do func() error) error {
	for tries := 0; ; tries++ {
		err := do()
		if err == nil || errors.Is(err, ErrEventLogClosed) {
			return err
		}
		if tries == 0 {
			j.log.Error("event log cannot be written; delivery pauses until it can", zap.Error(err))
		}
		select {
		case <-time.After(journalPatience):
		case <-ctx.Done():
			return err
		}
	}
}
