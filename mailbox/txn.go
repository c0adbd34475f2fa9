package mailbox

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// txn is a batch that is being built, with what its requests have to know of each other before it is readable.
type txn struct {
	*Store
	batch  *pebble.Batch
	before meta

	refs     map[uint64]uint64     // how many messages share a content, as of this batch
	seen     map[seenHash]struct{} // copies delivered in this batch
	folders  []*folderState        // to be written
	owners   []*accountState       // to be written
	modified map[*index]struct{}   // a second change to what is in one must wait for the next batch
	publish  []func()              // after the sync
}

func (s *Store) newTxn() *txn {
	return &txn{
		Store: s, batch: s.db.NewBatch(), before: s.meta,
		refs: map[uint64]uint64{}, seen: map[seenHash]struct{}{}, modified: map[*index]struct{}{},
	}
}

// The errors of a batch that is not applied yet are always nil.

func (t *txn) set(key, value []byte) { _ = t.batch.Set(key, value, nil) }

func (t *txn) remove(key []byte) { _ = t.batch.Delete(key, nil) }

// removeSized removes a large value: Pebble counts what a compaction would give back.
func (t *txn) removeSized(key []byte, size int) {
	_ = t.batch.DeleteSized(key, uint32(size), nil)
}

func (t *txn) removeRange(from, to []byte) { _ = t.batch.DeleteRange(from, to, nil) }

func (t *txn) then(publish func()) { t.publish = append(t.publish, publish) }

// newID returns a number that nothing else has, now or later.
func (t *txn) newID() uint64 {
	t.Store.meta.lastID++
	return t.Store.meta.lastID
}

// newValidity returns a UIDVALIDITY that no folder has had. It is the time where that is possible, so that a
// store made anew over a lost one does not repeat those.
func (s *Store) newValidity() uint32 {
	m := &s.meta
	m.lastValidity = max(m.lastValidity+1, uint32(s.now().Unix()))
	return m.lastValidity
}

// touch has the folder's numbers written with the batch.
func (t *txn) touch(st *folderState) {
	if !st.dirty {
		st.dirty = true
		t.folders = append(t.folders, st)
	}
}

// touchAccount has the account's record written with the batch.
func (t *txn) touchAccount(a *accountState) {
	if !a.dirty {
		a.dirty = true
		t.owners = append(t.owners, a)
	}
}

// modify announces a change to messages that are in the index: there may be one in a batch, because the index
// shows what is durable.
func (t *txn) modify(x *index) error {
	if _, twice := t.modified[x]; twice {
		return errConflict
	}
	t.modified[x] = struct{}{}
	return nil
}

// finish writes what several requests may have changed.
func (t *txn) finish() {
	for _, st := range t.folders {
		st.dirty = false
		if st.gone == nil {
			t.set(folderKey(st.account.id, st.id), st.encode())
		}
	}
	for _, a := range t.owners {
		a.dirty = false
		if !a.removed {
			t.set(accountKey(a.name), a.encode())
		}
	}
	for content, n := range t.refs {
		if n > 0 {
			t.set(idKey(spaceRefs, content), varint(n))
		} else {
			t.remove(idKey(spaceRefs, content))
		}
	}
	if t.Store.meta != t.before {
		t.set([]byte{spaceMeta}, t.Store.meta.encode())
	}
}

// get returns a copy of a record as it was before the batch; nil if there is none.
func (s *Store) get(key []byte) ([]byte, error) {
	v, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b := append([]byte{}, v...)
	return b, closer.Close()
}
