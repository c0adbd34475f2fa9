package queue

import (
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// Metrics is a point-in-time view of the queue.
type Metrics struct {
	// Durable counters, in recipients but for the messages.
	AcceptedMessages, Accepted, Damaged int64
	Ended                               [message.NumResults]int64
	// What is queued. Recipients[Active] counts those not tried yet, Recipients[Waiting] those
	// tried before; those in delivery are counted in either of them too.
	Messages, Bytes int64
	Recipients      [NumStates]int64
	// OldestAge is the age of the oldest message; 0 if there is none.
	OldestAge time.Duration

	// The committer. Syncs counts batches by the time they took, under SyncBuckets.
	Syncs         [len(SyncBuckets) + 1]int64
	SyncSeconds   float64
	Batches       int64
	BatchRequests int64 // messages and settlements in them
	BatchBytes    int64

	// Memory: contents awaiting their first attempt, and heads of the schedule.
	ContentHits, ContentMisses int64
	ContentBytes, WindowBytes  int64
	Domains, Flows             int
	Scanned                    bool // the schedule has been looked through since the start

	// The store.
	DiskBytes, DiskFree     int64
	WALBytes, MemTableBytes int64
	WALWritten, DiskWritten int64 // bytes since the start; DiskWritten is flushes and compactions
	L0Sublevels             int
	CacheHits, CacheMisses  int64
}

// Metrics tells how the queue is doing; it is cheap.
func (q *Queue) Metrics() Metrics {
	done, err := q.reading()
	if err != nil {
		return Metrics{}
	}
	defer done()
	var m Metrics
	q.gauge.mu.Lock()
	c := q.gauge.all
	q.gauge.mu.Unlock()
	m.AcceptedMessages, m.Accepted, m.Damaged, m.Ended = c.acceptedMessages, c.accepted, c.damaged, c.ended
	m.Messages, m.Bytes = c.messages, c.bytes
	m.Recipients[OnHold], m.Recipients[Waiting] = c.held, c.deferred
	m.Recipients[Active] = c.queued - c.held - c.deferred
	m.OldestAge = q.oldest.age(q)

	q.stats.mu.Lock()
	m.Syncs, m.SyncSeconds = q.stats.syncs, q.stats.seconds
	m.Batches, m.BatchRequests, m.BatchBytes = q.stats.batches, q.stats.requests, q.stats.bytes
	q.stats.mu.Unlock()

	s := q.sched
	s.mu.Lock()
	m.Recipients[InFlight] = s.leased
	m.ContentHits, m.ContentMisses = s.cache.hits, s.cache.misses
	m.ContentBytes, m.WindowBytes = s.cache.bytes, s.windowBytes
	m.Domains, m.Flows, m.Scanned = len(s.domains), len(s.flows), s.scanned
	s.mu.Unlock()

	p := q.store.Metrics()
	total := p.Total()
	m.DiskBytes, m.DiskFree = int64(p.DiskSpaceUsage()), q.space.free.Load()
	m.WALBytes, m.MemTableBytes = int64(p.WAL.PhysicalSize), int64(p.MemTable.Size)
	m.WALWritten = int64(p.WAL.BytesWritten)
	m.DiskWritten = int64(total.TableBytesFlushed + total.TableBytesCompacted + total.BlobBytesFlushed + total.BlobBytesCompacted)
	m.L0Sublevels = int(p.Levels[0].Sublevels)
	m.CacheHits, m.CacheMisses = p.BlockCache.Hits, p.BlockCache.Misses
	return m
}
