package store

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"
)

// Entry is a record that Scan yields. Its slices belong to the receiver.
type Entry struct {
	Key, Value []byte
}

// Get returns a copy of the value; ErrNotFound if there is none.
func (s *Store) Get(t Table, key []byte) ([]byte, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.end()
	k := t.key(key)
	read := make(chan []byte, 1) // not a variable: after a failure the goroutine may still be at it
	err := s.contain(func() error {
		v, closer, err := s.db.Get(k)
		if err != nil {
			return err
		}
		read <- append([]byte{}, v...)
		return closer.Close()
	})
	switch {
	case err == nil:
		return <-read, nil
	case errors.Is(err, pebble.ErrNotFound):
		return nil, ErrNotFound
	default:
		return nil, readError(t, err)
	}
}

const (
	chunkEntries = 256
	chunkBytes   = 64 << 10
)

// Scan goes through the records of a table whose keys start with prefix, in the order of their keys,
// as they are when it begins. The last pair has the error, if there is one. The loop may read and
// change the store meanwhile, but Close within it makes the next step fail.
func (s *Store) Scan(t Table, prefix []byte) iter.Seq2[Entry, error] {
	return s.ScanFrom(t, prefix, nil)
}

// ScanFrom is Scan that begins at the first key that is not below from.
func (s *Store) ScanFrom(t Table, prefix, from []byte) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		w := walk{store: s, lower: t.key(prefix), seek: t.key(from)}
		defer w.close()
		for {
			chunk, err := w.chunk()
			for _, e := range chunk {
				if !yield(e, nil) {
					return
				}
			}
			if err != nil {
				yield(Entry{}, readError(t, err))
				return
			}
			if len(chunk) == 0 {
				return
			}
		}
	}
}

func readError(t Table, err error) error {
	if errors.Is(err, ErrFailed) || errors.Is(err, ErrClosed) {
		return err
	}
	return fmt.Errorf("policy store: reading %s: %w", t, err)
}

// walk is an iterator that is read in chunks. Between two of them Close may end the store.
type walk struct {
	store       *Store
	lower, seek []byte
	next        int // the size of the next chunk: a caller may want one record only
	entered     bool
	it          *pebble.Iterator
}

// chunk returns the next records, none at the end.
func (w *walk) chunk() ([]Entry, error) {
	if !w.entered {
		if err := w.store.begin(); err != nil {
			return nil, err
		}
		w.entered = true
	} else if w.store.isClosing() {
		return nil, ErrClosed
	}
	w.next = min(max(8, 4*w.next), chunkEntries)
	read := make(chan []Entry, 1) // not a variable: after a failure the goroutine may still be at it
	err := w.store.contain(func() error {
		chunk, err := w.read(w.next)
		read <- chunk
		return err
	})
	if errors.Is(err, ErrFailed) {
		return nil, err
	}
	return <-read, err
}

func (w *walk) read(limit int) (chunk []Entry, err error) {
	if w.it == nil {
		w.it, err = w.store.db.NewIter(&pebble.IterOptions{LowerBound: w.lower, UpperBound: keyEnd(w.lower)})
		if err != nil {
			return nil, err
		}
		w.it.SeekGE(w.seek)
	}
	for size := 0; w.it.Valid() && len(chunk) < limit && size < chunkBytes; w.it.Next() {
		e := Entry{Key: bytes.Clone(w.it.Key()[1:]), Value: append([]byte{}, w.it.Value()...)}
		chunk = append(chunk, e)
		size += len(e.Key) + len(e.Value)
	}
	return chunk, w.it.Error()
}

func (w *walk) close() {
	if !w.entered {
		return
	}
	if w.store.Err() == nil && w.it != nil {
		_ = w.store.contain(w.it.Close) // its error has been returned by chunk
	}
	w.store.end()
}
