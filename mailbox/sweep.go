package mailbox

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// A folder is deleted by one small record; its messages go afterwards, some at a time, so that nobody waits for
// them. Whatever a crash leaves of that is done after the next start.

const (
	sweepAtOnce = 500 // messages in one batch
	sweepEvery  = 6 * time.Hour
)

func (s *Store) wakeSweep() {
	select {
	case s.sweep <- struct{}{}:
	default:
	}
}

func (s *Store) sweepLoop() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := s.sweepOnce(s.work); err != nil && s.work.Err() == nil && s.Err() == nil {
			s.log.Warn("mailbox: reclaiming deleted folders failed", zap.Error(err))
		}
		select {
		case <-s.work.Done():
			return
		case <-s.failed:
			return
		case <-s.sweep:
		case <-ticker.C:
		}
	}
}

// sweepOnce reclaims what deleted folders held and forgets deliveries of long ago.
func (s *Store) sweepOnce(ctx context.Context) error {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	for {
		dead, err := s.keys([]byte{spaceDead}, 1)
		if err != nil {
			return err
		}
		if len(dead) == 0 {
			return s.forgetSeen(ctx)
		}
		for done := false; !done; {
			if done, err = s.sweepSome(ctx, keyNumber(dead[0], 0)); err != nil {
				return err
			}
		}
	}
}

// keys returns some keys that start with prefix.
func (s *Store) keys(prefix []byte, limit int) ([][]byte, error) {
	found := make(chan [][]byte, 1)
	err := s.contain(func() error {
		var keys [][]byte
		it, err := keyIterator(s.db, prefix)
		if err != nil {
			return err
		}
		for it.First(); it.Valid() && len(keys) < limit; it.Next() {
			keys = append(keys, append([]byte{}, it.Key()...))
		}
		found <- keys
		return it.Close()
	})
	if err != nil {
		return nil, err
	}
	return <-found, nil
}

// sweepSome reclaims some messages of a deleted folder, or with the last of them what else is left of it.
func (s *Store) sweepSome(ctx context.Context, folder uint64) (done bool, err error) {
	prefix := idKey(spaceMessage, folder)
	keys, err := s.keys(prefix, sweepAtOnce)
	if err != nil {
		return false, err
	}
	if len(keys) == 0 {
		return true, s.change(ctx, 0, func(t *txn) error {
			gone := idKey(spaceGone, folder)
			t.removeRange(gone, keyEnd(gone))
			t.remove(idKey(spaceDead, folder))
			return nil
		})
	}
	return false, s.change(ctx, 64*len(keys), func(t *txn) error { return t.reclaim(folder, keys) })
}

// reclaim removes messages of a deleted folder.
func (t *txn) reclaim(folder uint64, keys [][]byte) error {
	mails := make([]mail, len(keys))
	for i, key := range keys {
		b, err := t.get(key)
		if err != nil {
			return err
		}
		if mails[i], err = decodeMail(b); err != nil {
			return err
		}
		if mails[i].shared {
			if err := t.loadShare(mails[i].content); err != nil {
				return err
			}
		}
	}
	for i, m := range mails {
		t.remove(keys[i])
		if m.prefix > 0 {
			t.remove(uidKey(spacePrefix, folder, keyUID(keys[i])))
			t.Store.meta.bytes -= int64(m.prefix)
		}
		t.dropContent(&m)
	}
	return nil
}

// forgetSeen drops the copies that were delivered two periods ago and before.
func (s *Store) forgetSeen(ctx context.Context) error {
	old, err := s.keys([]byte{spaceSeen}, 1)
	if err != nil || len(old) == 0 {
		return err
	}
	now := seenPeriod(s.now())
	if keyNumber(old[0], 0)+1 >= now {
		return nil
	}
	return s.change(ctx, 0, func(t *txn) error {
		t.removeRange([]byte{spaceSeen}, idKey(spaceSeen, now-1))
		return nil
	})
}
