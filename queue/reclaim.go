package queue

import (
	"bytes"
	"context"
	"time"

	"go.uber.org/zap"
)

// When a backlog has been delivered, its records and the marks of their removal lie in different
// levels of the store, and Pebble sees no reason to bring them together: the marks are small. So the
// queue asks it to, whenever the tables hold far more than is queued. At least half of what is
// rewritten is then dropped. Dropping ranges of old contents at once would be cheaper, but a message
// whose id was taken early could be stored in such a range meanwhile.

const (
	reclaimEvery = 10 * time.Second
	reclaimSlack = 512 << 20 // bytes of tables that are left alone
	reclaimPiece = 512 << 20 // bytes compacted at once; between, the queue can be closed
)

// reclaim gives back the disk space of what has left, until the queue is closed.
func (q *Queue) reclaim() {
	defer close(q.reclaimEnded)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-q.closed:
		case <-q.store.failed:
		case <-ctx.Done():
		}
		cancel()
	}()
	ticker := time.NewTicker(reclaimEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		slack := int64(reclaimSlack)
		if q.space.short() {
			slack = 0 // new mail is being turned away: every byte counts
		}
		if err := q.reclaimOnce(ctx, slack); err != nil && ctx.Err() == nil {
			q.log.Warn("queue: giving back disk space failed", zap.Error(err))
		}
	}
}

// reclaimOnce compacts the store if its tables hold more than slack and twice what is queued. Without slack a
// quarter more is enough, and the marks of removal that are still in memory are written first: with no new mail
// nothing else would bring them to the tables.
func (q *Queue) reclaimOnce(ctx context.Context, slack int64) error {
	done, err := q.reading()
	if err != nil {
		return err
	}
	defer done()
	enough := slack + 2*q.gauge.bytes.Load()
	if slack == 0 {
		enough = q.gauge.bytes.Load() * 5 / 4
		if err := q.store.contain(q.store.Flush); err != nil {
			return err
		}
	}
	m := q.store.Metrics()
	if m.Total().TablesSize <= enough {
		return nil
	}
	for _, piece := range q.store.pieces(reclaimPiece) {
		if err := q.store.contain(func() error {
			return q.store.Compact(ctx, piece.from, piece.to, false)
		}); err != nil {
			return err
		}
	}
	return nil
}

// piece is a range of keys.
type piece struct{ from, to []byte }

// pieces splits all keys into ranges with about size bytes of the lowest level's tables each.
func (s *store) pieces(size uint64) []piece {
	p := []piece{{from: []byte{0}, to: []byte{0xff}}}
	levels, err := s.SSTables()
	if err != nil || len(levels) == 0 {
		return p
	}
	var sum uint64
	for _, t := range levels[len(levels)-1] {
		if sum += t.Size; sum < size {
			continue
		}
		sum = 0
		cut := bytes.Clone(t.Largest.UserKey)
		last := &p[len(p)-1]
		if bytes.Compare(last.from, cut) < 0 && bytes.Compare(cut, last.to) < 0 {
			p = append(p, piece{from: cut, to: last.to})
			p[len(p)-2].to = cut
		}
	}
	return p
}
