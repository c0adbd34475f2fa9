package queue

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"go.uber.org/zap"
)

// reader is the part of a store or a snapshot of it that walks need.
type reader interface {
	NewIter(*pebble.IterOptions) (*pebble.Iterator, error)
}

// walk goes through the keys of a range and steps over blocks of the disk that are damaged: they
// cost what is in them, not what is behind them.
type walk struct {
	store   *store
	it      *pebble.Iterator
	upper   []byte
	last    []byte // the newest good position
	ok      bool
	damaged int // blocks stepped over
	err     error
}

// newWalk stands on the first key at lower or above, below upper.
func newWalk(s *store, r reader, lower, upper []byte) (*walk, error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, fmt.Errorf("queue: reading the store: %w", err)
	}
	w := &walk{store: s, it: it, upper: upper, last: bytes.Clone(lower)}
	w.settle(it.First())
	return w, nil
}

// valid tells whether the walk stands on a key; at the end of the walk or after an error it does not.
func (w *walk) valid() bool { return w.ok && w.err == nil }

func (w *walk) next() { w.settle(w.it.Next()) }

func (w *walk) seek(key []byte) {
	w.last = append(w.last[:0], key...)
	w.settle(w.it.SeekGE(key))
}

// settle takes in where a move has led, and goes on behind the damage if it met some.
func (w *walk) settle(ok bool) {
	if w.ok = ok; ok {
		w.last = append(w.last[:0], w.it.Key()...)
		return
	}
	err := w.it.Error()
	if err == nil {
		return
	}
	if !pebble.IsCorruptionError(err) {
		w.err = fmt.Errorf("queue: reading the store: %w", err)
		return
	}
	w.damaged++
	w.store.log.Error("queue: stepping over a damaged part of the store", zap.Binary("after", w.last), zap.Error(err))
	w.ok = w.skip()
}

// The costs of damage are bounded: Pebble looks for the flipped bit at every read of a damaged block,
// which takes up to a second of processor time.
const (
	skipTables = 16 // tables stepped over in one go
	skipProbes = 12 // how closely the end of the damage is looked for: to 1/4096 of the keys of a table
)

// skip moves behind the damage that begins after w.last, and tells whether there is a key.
func (w *walk) skip() bool {
	low := bytes.Clone(w.last)
	for range skipTables {
		high := w.store.tableEnd(low)
		if high == nil || bytes.Compare(high, w.upper) >= 0 {
			high = w.upper
		}
		if w.good(high) {
			w.last = w.firstGood(low, high)
			if !bytes.Equal(w.last, w.upper) && w.it.SeekGE(w.last) {
				w.last = append(w.last[:0], w.it.Key()...)
				return true
			}
			return false
		}
		low = high
	}
	w.err = fmt.Errorf("queue: reading the store: too much of it is damaged")
	return false
}

// good tells whether reading works from a key on.
func (w *walk) good(key []byte) bool {
	return bytes.Equal(key, w.upper) || w.it.SeekGE(key) || w.it.Error() == nil
}

// firstGood halves the range between low, which cannot be read, and high, which can.
func (w *walk) firstGood(low, high []byte) []byte {
	same := 0
	for same < len(low) && same < len(high) && low[same] == high[same] {
		same++
	}
	number := func(key []byte) uint64 {
		var b [8]byte
		copy(b[:], key[same:])
		return binary.BigEndian.Uint64(b[:])
	}
	first, last := number(low), number(high)
	for range skipProbes {
		middle := first + (last-first)/2
		if middle == first {
			break
		}
		key := binary.BigEndian.AppendUint64(bytes.Clone(low[:same]), middle)
		if w.good(key) {
			high, last = key, middle
		} else {
			first = middle
		}
	}
	return high
}

// tableEnd returns the first key behind the table that ends next at key or behind it, nil if there
// is none.
func (s *store) tableEnd(key []byte) []byte {
	levels, err := s.SSTables()
	if err != nil {
		return nil
	}
	var end []byte
	for _, tables := range levels {
		for i := range tables {
			largest := tables[i].Largest.UserKey
			if bytes.Compare(largest, key) >= 0 && (end == nil || bytes.Compare(largest, end) < 0) {
				end = largest
			}
		}
	}
	if end == nil {
		return nil
	}
	return append(bytes.Clone(end), 0)
}

// value returns the value under the walk. An error that is ErrDamaged concerns this key alone.
func (w *walk) value() ([]byte, error) {
	v, err := w.it.ValueAndErr()
	if err != nil {
		return nil, readError(err, fmt.Sprintf("record %q", w.it.Key()))
	}
	return v, nil
}

func (w *walk) close() error {
	if err := w.it.Close(); err != nil && w.err == nil && !pebble.IsCorruptionError(err) {
		w.err = fmt.Errorf("queue: reading the store: %w", err)
	}
	return w.err
}
