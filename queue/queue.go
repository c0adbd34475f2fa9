// Package queue keeps mail until every recipient has an end, and lends out what is due.
//
// What Put and Settle have returned for is on stable storage. docs/storage.md says how.
package queue

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
)

// Queue is a durable queue of mail. Its methods may be called from many goroutines.
type Queue struct {
	log       *zap.Logger
	now       func() time.Time
	ids       message.IDs
	groupSize int

	store     *store
	committer *committer
	sched     *schedule
	space     space
	gauge     gauge
	stats     commitStats
	oldest    oldest

	closing      sync.Once
	life         sync.RWMutex // held for reading while the store is read, for writing to close it
	closed       chan struct{}
	scanEnded    chan struct{}
	reclaimEnded chan struct{}
	spareEnded   chan struct{}
}

// gauge is the newest durable state of the counters, for those who must not wait.
type gauge struct {
	messages, bytes atomic.Int64
	mu              sync.Mutex
	all             counters
}

func (g *gauge) set(c counters) {
	g.messages.Store(c.messages)
	g.bytes.Store(c.bytes)
	g.mu.Lock()
	g.all = c
	g.mu.Unlock()
}

// Open opens the queue in o.Dir, making it if there is none. It takes mail at once; what is queued
// already is found in the background.
func Open(o Options) (*Queue, error) {
	b := newBudget(o.Memory)
	if o.spareLog == 0 && o.FS == nil {
		o.spareLog = b.memTable * 11 / 10
	}
	o = o.withDefaults()
	q := &Queue{
		log: o.Logger, now: o.Now, groupSize: o.RecipientsPerGroup,
		closed: make(chan struct{}), scanEnded: make(chan struct{}), reclaimEnded: make(chan struct{}),
		spareEnded: make(chan struct{}),
		space:      space{fs: o.FS, dir: o.Dir, reserve: o.MinFreeDisk, maxBytes: o.MaxBytes, maxMessages: o.MaxMessages},
	}
	q.ids.Now = o.Now
	q.space.look() // so that the first message does not find a disk of which nothing is known
	trouble := func(err error) {
		if vfs.IsNoSpaceError(err) {
			q.space.trouble.Store(micros(q.now()))
		}
	}
	var err error
	if q.store, err = openStore(o.Dir, o.FS, b, newSpare(o.FS, o.Dir, o.spareLog, q.space.allows), false, o.Logger, trouble); err != nil {
		return nil, err
	}
	counters, err := startCounters(q.store, q.log)
	if err != nil {
		return nil, errors.Join(err, q.store.close())
	}
	memos, err := loadMemos(q.store, q.log)
	if err != nil {
		return nil, errors.Join(err, q.store.close())
	}
	notes, err := startNotes(q.store, micros(q.now()))
	if err != nil {
		return nil, errors.Join(err, q.store.close())
	}
	q.ids.StartAfter(counters.lastID)
	q.gauge.set(counters)
	q.sched = newSchedule(func() int64 { return micros(q.now()) }, b.windows, b.contents, o.Weights)
	q.sched.read = q.read
	q.committer = &committer{
		store: q.store, sched: q.sched, log: q.log, stats: &q.stats, publish: q.gauge.set,
		counters: counters, live: make(map[message.ID]int), memos: memos, notes: notes,
		requests: make(chan *request, maxBatchRequests),
		stop:     make(chan struct{}), ended: make(chan struct{}),
	}
	go q.committer.run()
	go q.scan()
	go q.reclaim()
	go q.keepSpare()
	return q, nil
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Now == nil {
		o.Now = new(Clock).Now
	}
	if o.MinFreeDisk == 0 {
		o.MinFreeDisk = 256 << 20
	}
	if o.RecipientsPerGroup <= 0 {
		o.RecipientsPerGroup = 100
	}
	o.RecipientsPerGroup = min(o.RecipientsPerGroup, maxGroup)
	defaults := [message.NumClasses]int{message.ClassNormal: 4, message.ClassTransactional: 16, message.ClassBulk: 1}
	for i, w := range o.Weights {
		if w <= 0 {
			o.Weights[i] = defaults[i]
		}
	}
	return o
}

// Close ends the queue. Calls that wait return ErrClosed; leases not settled are due at the next
// Open.
func (q *Queue) Close() error {
	var err error
	q.closing.Do(func() {
		close(q.closed)
		close(q.committer.stop)
		select {
		case <-q.committer.ended:
		case <-q.store.failed: // the committer may hang in the store for ever
		}
		<-q.scanEnded
		<-q.reclaimEnded
		<-q.spareEnded
		q.life.Lock()
		defer q.life.Unlock()
		err = q.store.close()
	})
	return err
}

// reading keeps the store open until the returned function is called, unless the queue cannot be
// used.
func (q *Queue) reading() (done func(), err error) {
	q.life.RLock()
	if err := q.usable(); err != nil {
		q.life.RUnlock()
		return nil, err
	}
	return q.life.RUnlock, nil
}

// usable returns why the queue cannot be used, if so.
func (q *Queue) usable() error {
	select {
	case <-q.closed:
		return ErrClosed
	default:
		return q.store.err()
	}
}

// Failed is closed when the store has failed; see ErrFailed.
func (q *Queue) Failed() <-chan struct{} { return q.store.failed }

// Err tells why the store failed; nil while it has not.
func (q *Queue) Err() error { return q.store.err() }

// Now tells the queue's time, which every due time is measured against. Ages and expiry must be
// computed with it too.
func (q *Queue) Now() time.Time { return q.now() }
