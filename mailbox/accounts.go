package mailbox

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// accountState is what is always in memory of an account, and what is loaded when it is needed. The committer alone
// changes it; the numbers may be ahead of the disk by one batch.
type accountState struct {
	id      uint64
	name    string
	created time.Time
	quota   atomic.Int64
	bytes   atomic.Int64
	count   atomic.Int64 // of messages

	// Only the committer uses these.
	folders map[string]*folderState // by name; nil: not loaded
	subs    map[string]struct{}
	used    uint64 // for the choice of what is unloaded
	dirty   bool
	removed bool

	mu    sync.Mutex
	watch chan struct{} // closed at the next change of the list of folders; nil: nobody waits
}

// folderState is a folder as the committer knows it: the numbers as of the batch that is being built.
type folderState struct {
	account  *accountState
	id       uint64
	name     string
	use      Use
	validity uint32
	next     uint32 // UIDNEXT; 0: all UIDs are used up
	modseq   uint64
	floor    uint64 // what was expunged up to here is forgotten

	messages, unseen, deleted int
	bytes, deletedBytes       int64

	index *index // of those who have it open, or had
	gone  error  // removed
	dirty bool
}

func (st *folderState) info() Info {
	return Info{
		Name: st.name, Use: st.use, Validity: st.validity, Next: st.next, ModSeq: st.modseq,
		Messages: st.messages, Unseen: st.unseen, Deleted: st.deleted, Bytes: st.bytes, DeletedBytes: st.deletedBytes,
	}
}

// count adds a message to the numbers, or takes it out with sign -1.
func (st *folderState) count(flags System, size int64, sign int) {
	st.messages += sign
	st.bytes += int64(sign) * size
	if flags&Seen == 0 {
		st.unseen += sign
	}
	if flags&Deleted != 0 {
		st.deleted += sign
		st.deletedBytes += int64(sign) * size
	}
}

// live returns the index if somebody has the folder open.
func (st *folderState) live() *index {
	if st.index != nil && st.index.isOpen() {
		return st.index
	}
	return nil
}

// accounts are the names of all accounts.
type accounts struct {
	mu     sync.RWMutex
	byName map[string]*accountState
	drops  map[string]struct{} // maildrops that a session has for itself
}

func (a *accounts) get(name string) *accountState {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.byName[name]
}

func (a *accounts) set(acc *accountState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byName[acc.name] = acc
}

func (a *accounts) remove(acc *accountState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byName[acc.name] == acc {
		delete(a.byName, acc.name)
	}
}

func (a *accounts) all() []*accountState {
	a.mu.RLock()
	defer a.mu.RUnlock()
	all := make([]*accountState, 0, len(a.byName))
	for _, acc := range a.byName {
		all = append(all, acc)
	}
	slices.SortFunc(all, func(x, y *accountState) int { return strings.Compare(x.name, y.name) })
	return all
}

// loadAccounts reads the names of all accounts when the store is opened.
func (s *Store) loadAccounts() error {
	s.accounts.byName, s.accounts.drops = map[string]*accountState{}, map[string]struct{}{}
	b, err := s.get([]byte{spaceMeta})
	if err != nil {
		return err
	}
	if b != nil {
		if s.meta, err = decodeMeta(b); err != nil {
			return err
		}
	}
	return s.each([]byte{spaceAccount}, func(key, value []byte) error {
		a, err := decodeAccount(string(key[1:]), value)
		s.accounts.byName[a.name] = a
		return err
	})
}

// each goes through the records whose keys start with prefix.
func (s *Store) each(prefix []byte, f func(key, value []byte) error) error {
	return each(s.db, prefix, f)
}

func each(db pebble.Reader, prefix []byte, f func(key, value []byte) error) (err error) {
	it, err := keyIterator(db, prefix)
	if err != nil {
		return err
	}
	for it.First(); it.Valid() && err == nil; it.Next() {
		var v []byte
		if v, err = it.ValueAndErr(); err == nil {
			err = f(it.Key(), v)
		}
	}
	if closing := it.Close(); err == nil {
		err = closing
	}
	return err
}

// loaded are the accounts whose folders' numbers are in memory. Only the committer uses it.
type loaded struct {
	byID    map[uint64]*accountState
	folders int
	kept    int // folders that the last shrink left
	clock   uint64
}

// folders returns the account's folders by name, and loads them if need be. It is called before the batch has
// changed the account, or the account is loaded.
func (s *Store) folders(a *accountState) (map[string]*folderState, error) {
	l := &s.loaded
	l.clock++
	a.used = l.clock
	if a.folders != nil {
		return a.folders, nil
	}
	folders, subs := map[string]*folderState{}, map[string]struct{}{}
	err := s.each(idKey(spaceFolder, a.id), func(key, value []byte) error {
		st, err := decodeState(a, keyNumber(key, 1), value)
		folders[st.name] = st
		return err
	})
	if err != nil {
		return nil, err
	}
	err = s.each(idKey(spaceSub, a.id), func(key, _ []byte) error {
		subs[string(key[1+8:])] = struct{}{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.folders, a.subs = folders, subs
	l.add(a)
	return folders, nil
}

func (l *loaded) add(a *accountState) {
	if l.byID == nil {
		l.byID = map[uint64]*accountState{}
	}
	l.byID[a.id] = a
	l.folders += len(a.folders)
}

// shrink unloads accounts that were not used for long, if more than limit folders are loaded. It is called between
// batches.
func (l *loaded) shrink(limit int) {
	if l.folders <= max(limit, 2*l.kept) {
		return
	}
	defer func() { l.kept = l.folders }()
	order := make([]*accountState, 0, len(l.byID))
	for _, a := range l.byID {
		order = append(order, a)
	}
	slices.SortFunc(order, func(x, y *accountState) int { return int(x.used) - int(y.used) })
	for _, a := range order {
		if l.folders <= limit/2 {
			return
		}
		open := false
		for _, st := range a.folders {
			open = open || st.live() != nil
		}
		if !open {
			l.folders -= len(a.folders)
			a.folders, a.subs = nil, nil
			delete(l.byID, a.id)
		}
	}
}

// drop forgets an account that is being removed.
func (l *loaded) drop(a *accountState) { delete(l.byID, a.id) }

// changed wakes who watches the list of folders.
func (a *accountState) changed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.watch != nil {
		close(a.watch)
		a.watch = nil
	}
}
