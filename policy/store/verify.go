package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"
)

// VerifyReport is what Verify found.
type VerifyReport struct {
	Records  map[string]int64 // by the name of their table
	Problems []string
}

// Verify reads every record of the store or backup in dir, with the checksums of their blocks. It changes nothing.
// The store must not be open. What is wrong with the content is in the report, not in the error.
func Verify(ctx context.Context, dir string) (VerifyReport, error) {
	return verify(ctx, vfs.Default, dir)
}

func verify(ctx context.Context, fs vfs.FS, dir string) (r VerifyReport, err error) {
	if _, err := fs.Stat(dir); err != nil {
		return r, fmt.Errorf("policy store: verify: %w", err)
	}
	s := &Store{log: zap.NewNop(), failed: make(chan struct{}), stuck: make(chan struct{})}
	if s.lock, err = lock(dir, fs); err != nil {
		return r, fmt.Errorf("policy store: verify %s: %w", dir, err)
	}
	o := pebbleOptions(fs)
	o.Lock, o.Logger, o.ReadOnly, o.ErrorIfNotExists = s.lock, (*logger)(s), true, true
	defer o.Cache.Unref()
	err = s.contain(func() (err error) {
		s.db, err = pebble.Open(dir, o)
		return err
	})
	if err != nil {
		return r, errors.Join(fmt.Errorf("policy store: cannot open %s: %w%s", dir, err, advice(err)), s.lock.Close())
	}
	done := make(chan VerifyReport, 1)
	err = s.contain(func() error {
		r, err := s.readAll(ctx)
		done <- r
		return errors.Join(err, s.db.Close())
	})
	select {
	case r = <-done:
	default: // the disk has failed in the middle
	}
	return r, errors.Join(err, s.lock.Close())
}

// readAll counts the records. Damage ends the count of a table: what is behind it is not known.
func (s *Store) readAll(ctx context.Context) (VerifyReport, error) {
	r := VerifyReport{Records: make(map[string]int64)}
	known := int64(0)
	for t, name := range tableNames {
		n, err := s.readTable(ctx, []byte{byte(t)}, []byte{byte(t) + 1})
		switch {
		case ctx.Err() != nil:
			return r, ctx.Err()
		case err != nil:
			r.Problems = append(r.Problems, fmt.Sprintf("%s: cannot be read beyond record %d: %v", name, n, err))
		}
		if n > 0 {
			r.Records[name] = n
		}
		known += n
	}
	if all, err := s.readTable(ctx, nil, nil); err == nil && all > known {
		r.Problems = append(r.Problems, fmt.Sprintf("%d records of no known table: was a later release here?", all-known))
	}
	return r, ctx.Err()
}

func (s *Store) readTable(ctx context.Context, lower, upper []byte) (n int64, err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return 0, err
	}
	for it.First(); it.Valid() && ctx.Err() == nil; it.Next() {
		if _, err := it.ValueAndErr(); err != nil {
			return n, errors.Join(err, it.Close())
		}
		n++
	}
	return n, it.Close()
}
