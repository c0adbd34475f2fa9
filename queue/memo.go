package queue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"
)

// Memos are what the queue's user wants to know again after a restart and could do without: why a site is
// left alone, and until when. They are few and small. They cost no sync of their own: a memo is durable with
// the next batch of mail, or when the queue is closed. A crash before that brings back the one before.

const (
	maxMemos     = 10_000
	maxMemoBytes = 4 << 20 // keys and values of all memos
	maxMemo      = 4 << 10 // a key or a value
)

// errMemo is returned for a memo that cannot be kept.
var errMemo = errors.New("queue: no room for the memo")

// memos is what is to be in the store, and what of that the store has not been told yet.
type memos struct {
	mu    sync.Mutex
	all   map[string]*memo
	dirty map[string]*memo // in all too; only these wait for a batch
	count int              // with a value
	bytes int              // of those
}

type memo struct {
	value  []byte // nil: to be removed
	stored bool   // the store has one under this key
}

func memoKey(key string) []byte { return append([]byte{spaceMemo}, key...) }

// SetMemo keeps value under key until DropMemo, over restarts too. It neither waits for the disk nor
// promises anything: a crash may bring back what was there before. It fails when there is no room, which
// is 10,000 memos or 4 MiB of them, or 4 KiB for one. The caller must not change value afterwards.
func (q *Queue) SetMemo(key string, value []byte) error {
	if key == "" || len(key) > maxMemo || len(value) > maxMemo {
		return fmt.Errorf("%w: %d bytes under a key of %d", errMemo, len(value), len(key))
	}
	if value == nil {
		value = []byte{}
	}
	m := q.committer.memos
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.all[key]
	count, size := m.count+1, m.bytes+len(key)+len(value)
	if old != nil && old.value != nil {
		count, size = count-1, size-len(key)-len(old.value)
	}
	if count > maxMemos || size > maxMemoBytes {
		return errMemo
	}
	m.count, m.bytes = count, size
	if old == nil {
		old = &memo{}
		m.all[key] = old
	}
	old.value = value
	m.dirty[key] = old
	return nil
}

// DropMemo forgets the memo under key, if there is one; like SetMemo it may be undone by a crash.
func (q *Queue) DropMemo(key string) {
	m := q.committer.memos
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.all[key]
	if old == nil || old.value == nil {
		return
	}
	m.count, m.bytes = m.count-1, m.bytes-len(key)-len(old.value)
	old.value = nil
	if old.stored {
		m.dirty[key] = old
		return
	}
	delete(m.all, key)
	delete(m.dirty, key)
}

// Memos returns all memos by their keys. The values must not be changed.
func (q *Queue) Memos() map[string][]byte {
	m := q.committer.memos
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[string][]byte, m.count)
	for key, memo := range m.all {
		if memo.value != nil {
			out[key] = memo.value
		}
	}
	return out
}

// waiting tells whether the store has not been told of a memo yet.
func (m *memos) waiting() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.dirty) > 0
}

// addMemos adds to the batch what memos have changed.
func (c *committer) addMemos() {
	m := c.memos
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, memo := range m.dirty {
		// Unlike the keys of mail these are set again and again: SingleDelete would not do.
		if memo.stored = memo.value != nil; memo.stored {
			c.set(memoKey(key), appendMemo(nil, memoKey(key), memo.value))
		} else {
			_ = c.batch.Delete(memoKey(key), nil) // the error is always nil
			delete(m.all, key)
		}
	}
	clear(m.dirty)
}

func appendMemo(b, key, value []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, sum(key, value)), value...)
}

// loadMemos reads the memos at Open. Damaged ones are removed with the next batch: nobody can miss them.
func loadMemos(s *store, log *zap.Logger) (*memos, error) {
	m := &memos{all: make(map[string]*memo), dirty: make(map[string]*memo)}
	w, err := newWalk(s, s, []byte{spaceMemo}, []byte{spaceMemo + 1})
	if err != nil {
		return m, err
	}
	for ; w.valid(); w.next() {
		key := string(w.it.Key()[1:])
		kept := &memo{stored: true}
		m.all[key] = kept
		value, err := w.value()
		if err == nil {
			value, err = openRecord(w.it.Key(), value)
		}
		if err != nil || m.count >= maxMemos {
			log.Warn("queue: a memo is dropped", zap.String("memo", key), zap.Error(err))
			m.dirty[key] = kept
			continue
		}
		kept.value = append([]byte{}, value...)
		m.count++
		m.bytes += len(key) + len(value)
	}
	return m, w.close()
}
