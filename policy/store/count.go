package store

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// counts holds the number of keys of those tables that somebody has asked for. Only the committer
// uses it.
type counts map[Table]int64

// Count returns how many keys the table has. The first call for a table reads its keys, about half a
// second for a million, while writes wait; later ones cost next to nothing, but each change of a
// counted table costs a look-up.
func (s *Store) Count(ctx context.Context, t Table) (int64, error) {
	r := &request{count: &t}
	if err := s.submit(ctx, r); err != nil {
		return 0, err
	}
	return r.n, nil
}

// of returns the number of keys that t has once the batch is applied.
func (c counts) of(batch *pebble.Batch, t Table) (int64, error) {
	if n, ok := c[t]; ok {
		return n, nil
	}
	prefix := t.key(nil)
	it, err := batch.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keyEnd(prefix)})
	if err != nil {
		return 0, err
	}
	n := int64(0)
	for it.First(); it.Valid(); it.Next() {
		n++
	}
	if err := it.Close(); err != nil {
		return 0, err
	}
	c[t] = n
	return n, nil
}

// change keeps the count of a table right when c is about to be added to the batch. A record that
// cannot be read counts as there.
func (c counts) change(batch *pebble.Batch, change Change, key []byte) {
	if _, ok := c[change.Table]; !ok {
		return
	}
	_, closer, err := batch.Get(key)
	if err == nil {
		_ = closer.Close() // releases the value; the error is always nil
	}
	there := !errors.Is(err, pebble.ErrNotFound)
	switch {
	case there && change.Value == nil:
		c[change.Table]--
	case !there && change.Value != nil:
		c[change.Table]++
	}
}
