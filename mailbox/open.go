package mailbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// OpenFolder opens a folder, which must be closed again. ErrNoAccount, ErrNoFolder; ErrLimit if the folders
// that are open take all the memory they may.
func (s *Store) OpenFolder(ctx context.Context, account, folder string) (*Folder, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.end()
	folder = canonical(folder)
	var x *index
	var disk *pebble.Snapshot // of a new index, which is loaded from it
	err := s.viewAccount(ctx, account, func(_ *accountState, folders map[string]*folderState) (err error) {
		st := folders[folder]
		if st == nil {
			return ErrNoFolder
		}
		x, disk, err = s.openIndex(st)
		return err
	})
	if err != nil {
		return nil, err
	}
	if disk != nil {
		x.load(disk)
	}
	select {
	case <-x.loaded:
	case <-ctx.Done():
		x.release()
		return nil, fmt.Errorf("mailbox: opening a folder: %w", ctx.Err())
	}
	if x.failed != nil {
		x.release()
		return nil, x.failed
	}
	return &Folder{index: x}, nil
}

// openIndex returns the index of who has the folder open already, or a new one, and what to load it from: the store as
// it is now, between two batches. What comes later is shown to the index.
func (s *Store) openIndex(st *folderState) (*index, *pebble.Snapshot, error) {
	if x := st.index; x != nil && x.retain() {
		return x, nil, nil
	}
	more := int64(st.messages) * entryBytes
	if used := s.indexes.used.Load(); used+more > s.indexes.limit {
		return nil, nil, fmt.Errorf("%w: the open folders take %d bytes of memory", ErrLimit, used)
	}
	x := &index{store: s, id: st.id, state: st, loaded: make(chan struct{}), info: st.info()}
	x.users.Store(1)
	x.gone.floor, x.log.floor = st.floor, st.modseq
	x.memory = more
	s.indexes.used.Add(more)
	s.indexes.add(x)
	st.index = x
	return x, s.db.NewSnapshot(), nil
}

// load reads the index, then shows it with what has come meanwhile.
func (x *index) load(disk *pebble.Snapshot) {
	var loaded index
	loaded.entries = make([]entry, 0, x.Info().Messages)
	err := x.store.contain(func() error {
		return errors.Join(loaded.read(disk, x.id), disk.Close())
	})
	if err != nil {
		x.failed = fmt.Errorf("mailbox: opening a folder: %w", err)
		close(x.loaded)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.entries, x.words = loaded.entries, loaded.words
	x.gone.ops, x.gone.runs, x.gone.uids = loaded.gone.ops, loaded.gone.runs, loaded.gone.uids
	for i := range x.late {
		x.put(x.late[i].uid, &x.late[i].mail)
		x.log.add(x.late[i].mail.modseq, x.late[i].uid)
	}
	x.late = nil
	x.account()
	close(x.loaded)
}

func (x *index) read(disk pebble.Reader, folder uint64) error {
	err := each(disk, idKey(spaceMessage, folder), func(key, value []byte) error {
		m, err := decodeMail(value)
		if err == nil {
			x.put(keyUID(key), &m)
		}
		return err
	})
	if err != nil {
		return err
	}
	return each(disk, idKey(spaceGone, folder), func(key, value []byte) error {
		runs, err := decodeRuns(value)
		if err == nil {
			x.gone.add(goneOp{keyNumber(key, 1), runs})
		}
		return err
	})
}
