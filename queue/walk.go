package queue

import (
	"bytes"
	"fmt"
	"math/big"

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
	it      *pebble.Iterator
	upper   []byte
	last    []byte // the newest good position
	ok      bool
	damaged int // blocks stepped over
	err     error
	log     *zap.Logger
}

// newWalk stands on the first key at lower or above, below upper.
func newWalk(r reader, lower, upper []byte, log *zap.Logger) (*walk, error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, fmt.Errorf("queue: reading the store: %w", err)
	}
	w := &walk{it: it, upper: upper, last: bytes.Clone(lower), log: log}
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
	w.log.Error("queue: stepping over a damaged part of the store", zap.Binary("after", w.last), zap.Error(err))
	w.last = firstGood(w.last, w.upper, func(key []byte) bool { return w.it.SeekGE(key) || w.it.Error() == nil })
	w.settle(w.it.SeekGE(w.last))
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

// keyDigits is how much of a key firstGood tells apart, in bytes: more than the longest place.
const keyDigits = 1 + 255 + 2 + 255 + 1 + slotLen

// firstGood halves the range between bad, which cannot be read, and upper until it has the first
// key from which reading works again.
func firstGood(bad, upper []byte, good func([]byte) bool) []byte {
	number := func(key []byte) *big.Int {
		padded := make([]byte, keyDigits)
		copy(padded, key)
		return new(big.Int).SetBytes(padded)
	}
	low, high := number(bad), number(upper)
	one := big.NewInt(1)
	key := make([]byte, keyDigits)
	for new(big.Int).Sub(high, low).Cmp(one) > 0 {
		middle := new(big.Int).Add(low, high)
		middle.Rsh(middle, 1)
		if good(middle.FillBytes(key)) {
			high = middle
		} else {
			low = middle
		}
	}
	if high.Cmp(number(upper)) == 0 {
		return upper
	}
	return high.FillBytes(key)
}
