package mailbox

import (
	"bytes"
	"context"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"go.uber.org/zap"
)

// The records of expunged messages and the marks of their removal may lie in different levels of the store for long,
// because the marks are small. So the store is compacted when its tables hold far more than the mail.

const (
	reclaimEvery = time.Minute
	reclaimSlack = 256 << 20 // bytes of tables that are left alone
	reclaimPiece = 256 << 20 // bytes compacted at once; between, the store can be closed
)

func (s *Store) reclaimLoop() {
	ticker := time.NewTicker(reclaimEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.work.Done():
			return
		case <-s.failed:
			return
		case <-s.stuck:
			return
		case <-ticker.C:
		}
		if err := s.reclaimOnce(s.work, reclaimSlack); err != nil && s.work.Err() == nil && s.Err() == nil {
			s.log.Warn("mailbox: giving back disk space failed", zap.Error(err))
		}
	}
}

// reclaimOnce compacts the store if its tables hold more than slack and twice the mail. Mail is counted as it was
// handed in; tables are usually smaller, because they are compressed.
func (s *Store) reclaimOnce(ctx context.Context, slack int64) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.end()
	var mail int64
	if err := s.view(ctx, func() error { mail = s.meta.bytes; return nil }); err != nil {
		return err
	}
	if m := s.db.Metrics(); int64(m.Total().TablesSize) <= slack+2*mail {
		return nil
	}
	pieces, err := s.tablePieces(reclaimPiece)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if err := s.contain(func() error { return s.db.Compact(ctx, p.from, p.to, false) }); err != nil {
			return err
		}
	}
	return nil
}

// keyRange is a range of keys.
type keyRange struct{ from, to []byte }

// tablePieces splits all keys into ranges with about size bytes of the lowest level's tables each.
func (s *Store) tablePieces(size uint64) ([]keyRange, error) {
	p := []keyRange{{from: []byte{0}, to: []byte{0xff}}}
	found := make(chan [][]pebble.SSTableInfo, 1)
	err := s.contain(func() error {
		levels, err := s.db.SSTables()
		found <- levels
		return err
	})
	if err != nil {
		return nil, err
	}
	levels := <-found
	if len(levels) == 0 {
		return p, nil
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
			p = append(p, keyRange{from: cut, to: last.to})
			p[len(p)-2].to = cut
		}
	}
	return p, nil
}
