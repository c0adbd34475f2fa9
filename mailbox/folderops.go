package mailbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// CreateFolder makes a folder, and those above it that are missing. Use is NoUse, or a special use that no
// other folder of the account has (CREATE-SPECIAL-USE). ErrExists, ErrName, ErrLimit.
func (s *Store) CreateFolder(ctx context.Context, account, folder string, use Use) error {
	folder, err := checkFolderName(folder)
	if err != nil {
		return err
	}
	return s.change(ctx, 0, func(t *txn) error {
		a, folders, err := t.account(account)
		if err != nil {
			return err
		}
		if folders[folder] != nil {
			return ErrExists
		}
		if use == Inbox || use > Archive {
			return fmt.Errorf("%w: special use %d", ErrName, use)
		}
		for _, st := range folders {
			if use != NoUse && st.use == use {
				return fmt.Errorf("%w: %q has that use", ErrExists, st.name)
			}
		}
		if err := t.roomForFolders(a, folder); err != nil {
			return err
		}
		t.newFolderWithParents(a, folder, use)
		return nil
	})
}

// roomForFolders tells whether a folder and those above it can be made.
func (t *txn) roomForFolders(a *accountState, name string) error {
	if len(a.folders)+1+len(parents(name)) > maxFolders {
		return fmt.Errorf("%w: %d folders", ErrLimit, len(a.folders))
	}
	return nil
}

func (t *txn) newFolderWithParents(a *accountState, name string, use Use) *folderState {
	t.newParents(a, name)
	t.then(a.changed)
	return t.newFolder(a, name, use)
}

func (t *txn) newParents(a *accountState, name string) {
	for _, above := range parents(name) {
		if a.folders[above] == nil {
			t.newFolder(a, above, NoUse)
		}
	}
}

// DeleteFolder deletes a folder with its messages; folders below it stay, and so does a subscription.
// ErrInbox, ErrNoFolder.
func (s *Store) DeleteFolder(ctx context.Context, account, folder string) error {
	if folder = canonical(folder); folder == inbox {
		return ErrInbox
	}
	return s.change(ctx, 0, func(t *txn) error {
		st, err := t.folder(account, folder)
		if err != nil {
			return err
		}
		t.dropFolder(st, ErrNoFolder)
		t.then(st.account.changed)
		return nil
	})
}

// RenameFolder renames a folder and those below it, whose UIDVALIDITYs stay, and makes folders above the
// new name that are missing. Subscriptions stay as they are. Renaming the INBOX moves its messages to a new
// folder (RFC 9051 6.3.6). ErrNoFolder, ErrExists, ErrName, ErrLimit.
func (s *Store) RenameFolder(ctx context.Context, account, from, to string) error {
	to, err := checkFolderName(to)
	if err != nil {
		return err
	}
	if from = canonical(from); from == inbox {
		return s.renameInbox(ctx, account, to)
	}
	if to == from {
		return ErrExists
	}
	if strings.HasPrefix(to, from+separator) {
		return fmt.Errorf("%w: %q is below %q", ErrName, to, from)
	}
	return s.change(ctx, 0, func(t *txn) error {
		st, err := t.folder(account, from)
		if err != nil {
			return err
		}
		a := st.account
		if err := t.roomForFolders(a, to); err != nil {
			return err
		}
		moved := []*folderState{st}
		for name, below := range a.folders {
			if strings.HasPrefix(name, from+separator) {
				moved = append(moved, below)
			}
		}
		for _, st := range moved {
			name := to + strings.TrimPrefix(st.name, from)
			if len(name) > maxFolderName {
				return fmt.Errorf("%w: %q is too long", ErrName, name)
			}
			if other := a.folders[name]; other != nil && !slices.Contains(moved, other) {
				return fmt.Errorf("%w: %q", ErrExists, name)
			}
		}
		t.rename(a, moved, from, to)
		return nil
	})
}

func (t *txn) rename(a *accountState, moved []*folderState, from, to string) {
	for _, st := range moved {
		delete(a.folders, st.name)
		st.name = to + strings.TrimPrefix(st.name, from)
		t.touch(st)
		if x := st.live(); x != nil {
			info := st.info()
			t.then(func() { x.renamed(info) })
		}
	}
	for _, st := range moved {
		a.folders[st.name] = st
	}
	t.newParents(a, to)
	t.then(a.changed)
}

func (x *index) renamed(info Info) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.info = info
	x.wake()
}

// renameInbox makes the folder and moves all messages there. A crash may leave an empty new folder; a client
// that renames again is told that it exists.
func (s *Store) renameInbox(ctx context.Context, account, to string) error {
	f, err := s.OpenFolder(ctx, account, inbox)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := s.CreateFolder(ctx, account, to, NoUse); err != nil {
		return err
	}
	if uids := f.UIDs(); len(uids) > 0 {
		_, _, _, err = f.MoveTo(ctx, uids, to)
	}
	return err
}

// Subscribe notes or drops a subscription. The folder need not be there (RFC 9051 6.3.7). ErrName, ErrLimit.
func (s *Store) Subscribe(ctx context.Context, account, folder string, on bool) error {
	folder, err := checkFolderName(folder)
	if err != nil {
		return err
	}
	return s.change(ctx, 0, func(t *txn) error {
		a, _, err := t.account(account)
		if err != nil {
			return err
		}
		_, was := a.subs[folder]
		switch {
		case on == was:
			return nil
		case on && len(a.subs) >= maxFolders:
			return fmt.Errorf("%w: %d subscriptions", ErrLimit, len(a.subs))
		case on:
			t.subscribe(a, folder)
		default:
			delete(a.subs, folder)
			t.remove(subKey(a.id, folder))
		}
		t.then(a.changed)
		return nil
	})
}
