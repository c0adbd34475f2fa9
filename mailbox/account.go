package mailbox

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Account is a mailbox as the list of them shows it.
type Account struct {
	Name     string
	Quota    int64 // bytes; 0: none
	Bytes    int64 // of all its messages, each copy counted in full
	Messages int
	Created  time.Time
}

func (a *accountState) show() Account {
	return Account{
		Name: a.name, Quota: a.quota.Load(), Bytes: a.bytes.Load(), Messages: int(a.count.Load()), Created: a.created,
	}
}

// room tells whether size more bytes go into the account.
func (a *accountState) room(size int64) error {
	if quota := a.quota.Load(); quota > 0 && a.bytes.Load()+size > quota {
		return ErrOverQuota
	}
	return nil
}

const maxAccountName = 512 // bytes

// checkAccountName keeps out what could not be told apart from another account, or break a line of a log.
func checkAccountName(name string) error {
	if name == "" || len(name) > maxAccountName || !utf8.ValidString(name) || name != strings.ToLower(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return fmt.Errorf("%w: account %q", ErrName, name)
	}
	return nil
}

// Add makes an account with INBOX, Drafts, Sent, Junk, Trash and Archive, all subscribed. Names are
// canonical: local part in lower case and without tag, domain a lower-case A-label. ErrExists, ErrName.
func (s *Store) Add(ctx context.Context, account string, quota int64) error {
	if err := checkAccountName(account); err != nil {
		return err
	}
	return s.change(ctx, 0, func(t *txn) error {
		if s.accounts.get(account) != nil {
			return ErrExists
		}
		a := newAccount(t, account, quota)
		s.accounts.set(a)
		return nil
	})
}

func newAccount(t *txn, name string, quota int64) *accountState {
	a := &accountState{id: t.newID(), name: name, created: t.now().UTC().Truncate(time.Millisecond)}
	a.quota.Store(max(0, quota))
	a.folders, a.subs = map[string]*folderState{}, map[string]struct{}{}
	t.loaded.add(a)
	for use, folder := range useNames {
		if folder != "" {
			t.newFolder(a, folder, Use(use))
			t.subscribe(a, folder)
		}
	}
	t.touchAccount(a)
	return a
}

// Remove removes an account with its mail. Folders of it that are open return ErrNoAccount from then on.
// An account of this name that is made later has other UIDVALIDITYs.
func (s *Store) Remove(ctx context.Context, account string) error {
	return s.change(ctx, 0, func(t *txn) error {
		a, folders, err := t.account(account)
		if err != nil {
			return err
		}
		for _, st := range folders {
			t.dropFolder(st, ErrNoAccount)
		}
		for name := range a.subs {
			t.remove(subKey(a.id, name))
		}
		t.remove(accountKey(a.name))
		a.removed = true
		t.loaded.drop(a)
		s.accounts.remove(a)
		t.then(a.changed)
		return nil
	})
}

// account returns an account and its folders.
func (t *txn) account(name string) (*accountState, map[string]*folderState, error) {
	a := t.accounts.get(name)
	if a == nil {
		return nil, nil, ErrNoAccount
	}
	folders, err := t.Store.folders(a)
	return a, folders, err
}

// Has tells whether there is such an account. It reads memory only.
func (s *Store) Has(account string) bool { return s.accounts.get(account) != nil }

// Account returns one account, or ErrNoAccount. It reads memory only.
func (s *Store) Account(account string) (Account, error) {
	a := s.accounts.get(account)
	if a == nil {
		return Account{}, ErrNoAccount
	}
	return a.show(), nil
}

// Accounts returns all accounts in the order of their names. It reads memory only.
func (s *Store) Accounts(ctx context.Context) ([]Account, error) {
	var list []Account
	for _, a := range s.accounts.all() {
		list = append(list, a.show())
	}
	return list, ctx.Err()
}

// SetQuota sets an account's quota in bytes; 0: none. What is there already stays.
func (s *Store) SetQuota(ctx context.Context, account string, quota int64) error {
	return s.change(ctx, 0, func(t *txn) error {
		a := s.accounts.get(account)
		if a == nil {
			return ErrNoAccount
		}
		a.quota.Store(max(0, quota))
		t.touchAccount(a)
		return nil
	})
}

// Room tells whether size more bytes go into the account: nil, ErrOverQuota or ErrNoAccount. It reads memory
// only; Deliver and Append decide for good.
func (s *Store) Room(account string, size int64) error {
	a := s.accounts.get(account)
	if a == nil {
		return ErrNoAccount
	}
	return a.room(size)
}

// LockMaildrop gives the caller the account's maildrop for itself (RFC 1939 8), until release is called; more
// than one call of that does nothing. ErrInUse if somebody has it. IMAP sessions and deliveries go on
// beside it.
func (s *Store) LockMaildrop(account string) (release func(), err error) {
	l := &s.accounts
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byName[account] == nil {
		return nil, ErrNoAccount
	}
	if _, taken := l.drops[account]; taken {
		return nil, ErrInUse
	}
	l.drops[account] = struct{}{}
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.drops, account)
	}), nil
}
