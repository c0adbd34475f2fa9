package store

import (
	"context"

	"github.com/cockroachdb/pebble/v2"
)

// Count returns how many keys the table has. It reads all of them, about a third of a second for a
// million, while others go on reading and writing.
func (s *Store) Count(ctx context.Context, t Table) (int64, error) {
	if err := s.begin(); err != nil {
		return 0, err
	}
	defer s.end()
	counted := make(chan int64, 1)
	err := s.contain(func() error {
		n, err := s.count(ctx, t)
		counted <- n
		return err
	})
	if err != nil {
		return 0, readError(t, err)
	}
	return <-counted, nil
}

func (s *Store) count(ctx context.Context, t Table) (n int64, err error) {
	prefix := t.key(nil)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keyEnd(prefix)})
	if err != nil {
		return 0, err
	}
	for it.First(); it.Valid(); it.Next() {
		if n++; n%1024 == 0 && (ctx.Err() != nil || s.isClosing()) {
			break
		}
	}
	if err := it.Close(); err != nil {
		return 0, err
	}
	if s.isClosing() {
		return 0, ErrClosed
	}
	return n, ctx.Err()
}
