package mailbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// mailAt returns what the index knows of a message.
func (x *index) mailAt(uid uint32) (mail, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	i, ok := x.find(uid)
	if !ok {
		return mail{}, false
	}
	return x.record(&x.entries[i]), true
}

// Content returns a message, header and body, as the caller's own. ErrNoMessage.
func (f *Folder) Content(ctx context.Context, uid uint32) ([]byte, error) {
	return f.read(ctx, uid, 0, maxContent+maxPrefix)
}

// Header returns a message's header with the empty line that ends it, without reading the body. ErrNoMessage.
func (f *Folder) Header(ctx context.Context, uid uint32) ([]byte, error) {
	return f.read(ctx, uid, 0, -1)
}

// Part returns length bytes of a message from offset on, or as many as there are. It reads little more than
// that. ErrNoMessage.
func (f *Folder) Part(ctx context.Context, uid uint32, offset, length int64) ([]byte, error) {
	return f.read(ctx, uid, max(0, offset), max(0, length))
}

// HeaderSize tells how many bytes of a message are its header, with the empty line that ends it.
func (f *Folder) HeaderSize(uid uint32) (int64, bool) {
	m, ok := f.index.mailAt(uid)
	return int64(m.prefix) + int64(m.header), ok
}

// read returns a part of a message; length -1: to the end of the header.
func (f *Folder) read(ctx context.Context, uid uint32, offset, length int64) ([]byte, error) {
	if err := f.Err(); err != nil {
		return nil, err
	}
	s := f.index.store
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.end()
	m, ok := f.index.mailAt(uid)
	if !ok {
		return nil, ErrNoMessage
	}
	if length < 0 {
		length = int64(m.prefix) + int64(m.header)
	}
	read := make(chan []byte, 1) // not a variable: after a failure the goroutine may still be at it
	err := s.contain(func() error {
		r := reader{ctx: ctx, db: s.db, folder: f.index.id, uid: uid, mail: m}
		b, err := r.read(offset, length)
		read <- b
		return err
	})
	if err != nil {
		if errors.Is(err, pebble.ErrNotFound) && f.expunged(ctx, uid) {
			return nil, ErrNoMessage
		}
		return nil, fmt.Errorf("mailbox: reading message %d: %w", uid, err)
	}
	return <-read, nil
}

// expunged tells, of a message whose records are not to be found, whether that is as it should be. The database
// shows a batch that removes them before its sync has ended, and the index only after that: so wait
// for the batch that is under way.
func (f *Folder) expunged(ctx context.Context, uid uint32) bool {
	if _, still := f.index.mailAt(uid); !still {
		return true
	}
	if f.index.store.view(ctx, func() error { return nil }) != nil {
		return false
	}
	_, still := f.index.mailAt(uid)
	return !still
}

// reader reads one message.
type reader struct {
	ctx    context.Context
	db     pebble.Reader
	folder uint64
	uid    uint32
	mail   mail

	offset, length int64 // what is still to be skipped, and read
	out            []byte
}

func (r *reader) read(offset, length int64) ([]byte, error) {
	size := r.mail.size()
	offset = min(offset, size)
	length = min(length, size-offset)
	r.offset, r.length, r.out = offset, length, make([]byte, 0, length)
	if r.mail.prefix > 0 {
		if err := r.take(uidKey(spacePrefix, r.folder, r.uid), int64(r.mail.prefix)); err != nil {
			return nil, err
		}
	}
	if err := r.take(idKey(spaceHeader, r.mail.content), int64(r.mail.header)); err != nil {
		return nil, err
	}
	left := int64(r.mail.body)
	for piece := range pieces(r.mail.body) {
		n := min(left, pieceBytes)
		if err := r.take(pieceKey(r.mail.content, piece), n); err != nil {
			return nil, err
		}
		left -= n
	}
	return r.out, nil
}

// take reads what is wanted of the record, which has size bytes.
func (r *reader) take(key []byte, size int64) error {
	if r.length == 0 || r.offset >= size {
		r.offset = max(0, r.offset-size)
		return nil
	}
	if err := r.ctx.Err(); err != nil {
		return err
	}
	v, closer, err := r.db.Get(key)
	if err != nil {
		return err
	}
	if int64(len(v)) != size {
		return errors.Join(fmt.Errorf("%w: %d bytes of %d", errDamaged, len(v), size), closer.Close())
	}
	v = v[r.offset:]
	v = v[:min(int64(len(v)), r.length)]
	r.out = append(r.out, v...)
	r.offset = 0
	r.length -= int64(len(v))
	return closer.Close()
}
