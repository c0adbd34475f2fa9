package queue

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
)

// The committer is the only writer of the store. It gathers what waits into one batch and syncs
// that once, so that concurrent callers share the sync; being alone it can keep the counters without
// a lock, and knows which group of a message is the last.

// request is what one caller wants to be made durable together.
type request struct {
	puts     []*incoming
	outcomes []*outcome
	note     []byte // kept with the outcomes, if not empty; noteID is set when it is durable
	noteID   NoteID
	drops    []NoteID
	aside    []Note // damaged
	unsynced bool   // need not be synced
	bytes    int
	err      error
	done     chan struct{} // closed when err is set for good
}

// incoming is a message to be stored.
type incoming struct {
	msg     *loaded
	sum     uint32 // of the content's record
	space   byte   // where its groups will stand: spaceSchedule or spaceHeld
	entries []*entry
	values  [][]byte                  // the entries' records
	env     []byte                    // the envelope's record, if there are several groups
	ended   [message.NumResults]int64 // further recipients, that end here
}

// outcome is a change of one group.
type outcome struct {
	space byte // where the group stands: spaceSchedule or spaceHeld
	old   *entry
	// The group's next place, or nil if it has ended.
	next      *entry
	nextSpace byte
	value     []byte
	ended     [message.NumResults]int64 // recipients that end here
	only      bool                      // the message has no other group
	size      int64                     // of the message
	// damaged tells that the group is put aside as it is, with its message, because a record does
	// not match its checksum. value is then its record.
	damaged bool
}

const (
	maxBatchBytes    = 4 << 20 // a batch is closed above it
	maxBatchRequests = 1024
	maxLive          = 1 << 16 // messages whose number of groups is remembered
)

type committer struct {
	store    *store
	sched    *schedule
	requests chan *request
	stop     chan struct{}
	ended    chan struct{}
	log      *zap.Logger

	// Only the committer's goroutine uses these.
	counters counters
	notes    notes
	live     map[message.ID]int
	batch    *pebble.Batch
	pending  []*request
	pace     pace
	stats    *commitStats
	publish  func(counters)

	memos *memos // changed by others too
}

// submit hands r over and waits until it is durable. ctx ends the waiting only until the committer
// has taken r: what may be on disk must not be reported as refused for less than a failure.
func (c *committer) submit(ctx doneErr, r *request) error {
	if err := c.store.err(); err != nil {
		return err
	}
	r.done = make(chan struct{})
	select {
	case c.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.stop:
		return ErrClosed
	case <-c.store.failed:
		return c.store.why
	}
	select {
	case <-r.done:
		return r.err
	case <-c.ended:
	case <-c.store.failed:
	}
	select {
	case <-r.done:
		return r.err
	default:
	}
	if err := c.store.err(); err != nil {
		return err
	}
	return ErrClosed
}

// doneErr is the part of context.Context that submit needs.
type doneErr interface {
	Done() <-chan struct{}
	Err() error
}

// run is the committer's goroutine. It ends after stop is closed and what was submitted is done, or
// when the store fails: then Fatalf ends it within commit and nothing of the batch is acknowledged.
func (c *committer) run() {
	defer close(c.ended)
	c.batch = c.store.NewBatchWithSize(maxBatchBytes / 8)
	for {
		var r *request
		select {
		case r = <-c.requests:
		case <-c.stop:
			select {
			case r = <-c.requests:
			default:
				if c.memos.waiting() {
					c.pending = c.pending[:0]
					c.commit()
				}
				return
			}
		}
		c.gather(r)
		c.commit()
	}
}

// commit makes the pending requests durable and then tells the schedule and the callers.
func (c *committer) commit() {
	if c.store.err() != nil { // their callers have been told by store.failed
		return
	}
	if len(c.live) >= maxLive {
		clear(c.live) // the store can count them again; within a batch it could not
	}
	c.sched.markStoring(c.pending)
	before := c.counters
	for _, r := range c.pending {
		if r.err = c.build(r); r.err != nil {
			c.store.fail(r.err)
			return
		}
	}
	if c.counters != before {
		c.set(countersKey(), c.counters.appendRecord(nil))
	}
	c.addMemos()
	if err := c.apply(); err != nil {
		c.store.fail(err)
		return
	}
	if c.batch.Len() > 4*maxBatchBytes {
		c.batch = c.store.NewBatchWithSize(maxBatchBytes / 8) // do not keep a giant's buffer
	} else {
		c.batch.Reset()
	}
	c.publish(c.counters)
	c.sched.committed(c.pending)
	for i, r := range c.pending {
		close(r.done)
		c.pending[i] = nil
	}
}

// apply writes the batch and syncs it, unless nobody needs that.
func (c *committer) apply() error {
	if len(c.pending) > 0 && !slices.ContainsFunc(c.pending, func(r *request) bool { return !r.unsynced }) {
		return c.store.Apply(c.batch, pebble.NoSync)
	}
	started := time.Now()
	if err := c.store.Apply(c.batch, pebble.Sync); err != nil {
		return err
	}
	c.stats.add(time.Since(started), len(c.pending), c.batch.Len())
	return nil
}

func (c *committer) set(key, value []byte) {
	_ = c.batch.Set(key, value, nil) // the error is always nil
}

func (c *committer) remove(key []byte) {
	_ = c.batch.SingleDelete(key, nil) // as above
}

// build adds a request to the batch and to the counters.
func (c *committer) build(r *request) error {
	for _, p := range r.puts {
		c.buildPut(p)
	}
	for _, o := range r.outcomes {
		if err := c.buildOutcome(o); err != nil {
			return err
		}
	}
	c.buildNotes(r)
	return nil
}

func (c *committer) buildPut(p *incoming) {
	env := p.msg.envelope
	c.counters.acceptedMessages++
	c.counters.lastID = max(c.counters.lastID, env.ID)
	for result, n := range p.ended {
		c.counters.accepted += n
		c.counters.ended[result] += n
	}
	if len(p.entries) == 0 { // all have ended
		return
	}
	content := p.msg.content
	op := c.batch.SetDeferred(9, sumLen+len(content))
	putIDKey(op.Key, spaceContent, env.ID)
	binary.BigEndian.PutUint32(op.Value, p.sum)
	copy(op.Value[sumLen:], content)
	_ = op.Finish()
	if p.env != nil {
		c.set(idKey(spaceEnvelope, env.ID), p.env)
		c.live[env.ID] = len(p.entries)
	}
	for i, e := range p.entries {
		c.set(placeKey(p.space, e.name, e.slot), p.values[i])
		if p.env != nil {
			c.set(liveKey(e.ticket()), nil)
		}
		c.counters.accepted += int64(e.count)
		c.counters.standing(p.space, e.slot, 1)
	}
	c.counters.messages++
	c.counters.bytes += int64(len(content))
}

func (c *committer) buildOutcome(o *outcome) error {
	t := &c.counters
	key := placeKey(o.space, o.old.name, o.old.slot)
	c.remove(key)
	t.standing(o.space, o.old.slot, -1)
	for result, n := range o.ended {
		t.ended[result] += n
	}
	switch {
	case o.damaged:
		t.damaged += int64(o.old.count)
		t.aside++
		c.set(append([]byte{spaceAside}, key...), o.value)
		return nil
	case o.next != nil:
		t.standing(o.nextSpace, o.next.slot, 1)
		c.set(placeKey(o.nextSpace, o.next.name, o.next.slot), o.value)
		return nil
	}
	return c.endGroup(o)
}

// endGroup removes what is left of a group, and the message with its last one.
func (c *committer) endGroup(o *outcome) error {
	id := o.old.id
	if !o.only {
		left, err := c.groupsLeft(id)
		if err != nil {
			return err
		}
		c.remove(liveKey(o.old.ticket()))
		c.live[id] = left - 1
		if left > 1 {
			return nil
		}
		delete(c.live, id)
		c.remove(idKey(spaceEnvelope, id))
	}
	c.remove(idKey(spaceContent, id))
	c.counters.messages--
	c.counters.bytes -= o.size
	return nil
}

// groupsLeft tells how many groups of a message have not ended, before this one.
func (c *committer) groupsLeft(id message.ID) (int, error) {
	if n, ok := c.live[id]; ok {
		return n, nil
	}
	prefix := idKey(spaceLive, id)
	it, err := c.store.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: prefixEnd(prefix)})
	if err != nil {
		return 0, err
	}
	n := 0
	for it.First(); it.Valid(); it.Next() {
		n++
	}
	if err := it.Close(); err != nil {
		if !pebble.IsCorruptionError(err) {
			return 0, err
		}
		// Better to keep the content for ever than to remove it under a group that still needs it.
		c.log.Error("queue: the groups of a message cannot be counted; its content stays", zap.Stringer("id", id), zap.Error(err))
		n = 1 << 30
	}
	c.live[id] = n
	return n, nil
}

func putIDKey(key []byte, space byte, id message.ID) {
	key[0] = space
	binary.BigEndian.PutUint64(key[1:], uint64(id))
}
