package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"
)

const (
	headersAtOnce     = 1024
	headerBytesAtOnce = 1 << 20
)

// HeaderOf is a message's header, as Header returns it.
type HeaderOf struct {
	UID    uint32
	Header []byte
}

// Headers goes through the headers of many messages, which is several times faster than one by one if the UIDs ascend. Messages
// that are not there (any more) are left out. The slices are the receiver's. The last pair has the error, if there
// is one.
func (f *Folder) Headers(ctx context.Context, uids []uint32) iter.Seq2[HeaderOf, error] {
	return func(yield func(HeaderOf, error) bool) {
		for len(uids) > 0 {
			chunk, n, err := f.headers(ctx, uids[:min(len(uids), headersAtOnce)])
			if err != nil {
				yield(HeaderOf{}, err)
				return
			}
			for _, h := range chunk {
				if !yield(h, nil) {
					return
				}
			}
			uids = uids[n:]
		}
	}
}

// headers reads the headers of the first of uids, and tells of how many.
func (f *Folder) headers(ctx context.Context, uids []uint32) ([]HeaderOf, int, error) {
	if err := f.Err(); err != nil {
		return nil, 0, err
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	s := f.index.store
	if err := s.begin(); err != nil {
		return nil, 0, err
	}
	defer s.end()
	type result struct {
		list []HeaderOf
		n    int
	}
	read := make(chan result, 1) // not variables: after a failure the goroutine may still be at it
	err := s.contain(func() error {
		r := headerReader{index: f.index}
		list, n, err := r.read(uids)
		read <- result{list, n}
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("mailbox: reading headers: %w", err)
	}
	r := <-read
	return r.list, r.n, nil
}

// headerReader reads headers with iterators: those of neighbours are mostly neighbours on the disk too.
type headerReader struct {
	index            *index
	prefixes, common *pebble.Iterator
}

func (r *headerReader) read(uids []uint32) (list []HeaderOf, n int, err error) {
	db := r.index.store.db
	if r.prefixes, err = keyIterator(db, idKey(spacePrefix, r.index.id)); err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, r.prefixes.Close()) }()
	if r.common, err = keyIterator(db, []byte{spaceHeader}); err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, r.common.Close()) }()
	for size := 0; n < len(uids) && size < headerBytesAtOnce; n++ {
		m, ok := r.index.mailAt(uids[n])
		if !ok {
			continue
		}
		header, err := r.one(uids[n], &m)
		if errors.Is(err, pebble.ErrNotFound) {
			if _, still := r.index.mailAt(uids[n]); !still {
				continue
			}
		}
		if err != nil {
			return nil, 0, fmt.Errorf("message %d: %w", uids[n], err)
		}
		size += len(header)
		list = append(list, HeaderOf{uids[n], header})
	}
	return list, n, nil
}

func (r *headerReader) one(uid uint32, m *mail) ([]byte, error) {
	b := make([]byte, 0, m.prefix+m.header)
	if m.prefix > 0 {
		v, err := seek(r.prefixes, uidKey(spacePrefix, r.index.id, uid))
		if err != nil {
			return nil, err
		}
		b = append(b, v...)
	}
	v, err := seek(r.common, idKey(spaceHeader, m.content))
	if err != nil {
		return nil, err
	}
	if b = append(b, v...); len(b) != int(m.prefix+m.header) {
		return nil, errDamaged
	}
	return b, nil
}

// seek returns the value of a key, valid until the next seek. It looks at the next key first.
func seek(it *pebble.Iterator, key []byte) ([]byte, error) {
	if !it.Valid() || !it.Next() || !bytes.Equal(it.Key(), key) {
		it.SeekGE(key)
	}
	if !it.Valid() || !bytes.Equal(it.Key(), key) {
		if err := it.Error(); err != nil {
			return nil, err
		}
		return nil, pebble.ErrNotFound
	}
	return it.ValueAndErr()
}

func keyIterator(db pebble.Reader, prefix []byte) (*pebble.Iterator, error) {
	return db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keyEnd(prefix)})
}
