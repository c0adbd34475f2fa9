package mailbox

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Use is a folder's special use (RFC 6154).
type Use uint8

// The special uses. Inbox is that of INBOX.
const (
	NoUse Use = iota
	Inbox
	Drafts
	Sent
	Junk
	Trash
	Archive
)

// Info is what is known of a folder without opening it.
type Info struct {
	Name       string // UTF-8, levels apart by Separator; INBOX in capitals
	Use        Use
	Subscribed bool // not told by Folder.Info
	// Missing: the name is only subscribed, or above a folder's, and cannot be opened.
	Missing  bool
	Validity uint32 // UIDVALIDITY
	Next     uint32 // UIDNEXT
	Messages int
	Unseen   int
	Deleted  int   // with the flag
	Bytes    int64 // of all messages
	// DeletedBytes are those of the messages with the flag (STATUS DELETED-STORAGE, RFC 9208).
	DeletedBytes int64
	ModSeq       uint64 // of the last change in the folder; never 0
}

// Folders returns the account's folders in the order of their names, INBOX first, with those that
// are only subscribed or above others.
func (s *Store) Folders(ctx context.Context, account string) ([]Info, error) {
	var list []Info
	err := s.viewAccount(ctx, account, func(a *accountState, folders map[string]*folderState) error {
		list = listFolders(a, folders)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func listFolders(a *accountState, folders map[string]*folderState) []Info {
	list := make([]Info, 0, len(folders))
	missing := map[string]struct{}{}
	note := func(name string) {
		if folders[name] == nil {
			missing[name] = struct{}{}
		}
	}
	for name, st := range folders {
		info := st.info()
		_, info.Subscribed = a.subs[name]
		list = append(list, info)
		for _, above := range parents(name) {
			note(above)
		}
	}
	for name := range a.subs {
		note(name)
	}
	for name := range missing {
		_, subscribed := a.subs[name]
		list = append(list, Info{Name: name, Missing: true, Subscribed: subscribed})
	}
	slices.SortFunc(list, func(x, y Info) int {
		if (x.Name == inbox) != (y.Name == inbox) {
			if x.Name == inbox {
				return -1
			}
			return 1
		}
		return strings.Compare(x.Name, y.Name)
	})
	return list
}

// viewAccount shows f the account's folders as they are on the disk.
func (s *Store) viewAccount(ctx context.Context, name string, f func(*accountState, map[string]*folderState) error) error {
	return s.view(ctx, func() error {
		a := s.accounts.get(name)
		if a == nil {
			return ErrNoAccount
		}
		folders, err := s.folders(a)
		if err != nil {
			return err
		}
		return f(a, folders)
	})
}

// Status returns one folder. Names are compared as they are, but INBOX in any case. ErrNoAccount, ErrNoFolder.
func (s *Store) Status(ctx context.Context, account, folder string) (Info, error) {
	folder = canonical(folder)
	var info Info
	err := s.viewAccount(ctx, account, func(a *accountState, folders map[string]*folderState) error {
		st := folders[folder]
		if st == nil {
			return ErrNoFolder
		}
		info = st.info()
		_, info.Subscribed = a.subs[folder]
		return nil
	})
	if err != nil {
		return Info{}, err
	}
	return info, nil
}

// Watch returns a channel that is closed at the next change of the account's list of folders: names and
// subscriptions, not their messages; nil if there is no such account. Ask for it before looking at the list.
func (s *Store) Watch(account string) <-chan struct{} {
	a := s.accounts.get(account)
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.watch == nil {
		a.watch = make(chan struct{})
	}
	return a.watch
}

// folder returns a folder of an account.
func (t *txn) folder(account, folder string) (*folderState, error) {
	_, folders, err := t.account(account)
	if err != nil {
		return nil, err
	}
	st := folders[canonical(folder)]
	if st == nil {
		return nil, ErrNoFolder
	}
	return st, nil
}

// newFolder makes a folder in an account that is loaded.
func (t *txn) newFolder(a *accountState, name string, use Use) *folderState {
	st := &folderState{account: a, id: t.newID(), name: name, use: use, validity: t.newValidity(), next: 1, modseq: 1}
	a.folders[name] = st
	t.loaded.folders++
	t.touch(st)
	return st
}

// dropFolder removes a folder at once and leaves its messages to the sweep. The account's bytes are counted here.
func (t *txn) dropFolder(st *folderState, why error) {
	st.account.bytes.Add(-st.bytes)
	st.account.count.Add(int64(-st.messages))
	st.gone = why
	delete(st.account.folders, st.name)
	t.loaded.folders--
	t.remove(folderKey(st.account.id, st.id))
	t.set(idKey(spaceDead, st.id), nil)
	t.touchAccount(st.account)
	x := st.index
	t.then(func() {
		if x != nil {
			x.die(why)
		}
		t.wakeSweep()
	})
}

// subscribe notes a subscription of an account that is loaded.
func (t *txn) subscribe(a *accountState, name string) {
	a.subs[name] = struct{}{}
	t.set(subKey(a.id, name), nil)
}

// uidsLeft tells whether n more messages can have UIDs.
func (st *folderState) uidsLeft(n int) error {
	if int64(st.next)+int64(n) > math.MaxUint32 {
		return fmt.Errorf("%w: no UIDs are left", ErrLimit)
	}
	return nil
}
