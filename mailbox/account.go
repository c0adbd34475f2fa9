package mailbox

import (
	"context"
	"time"
)

// Account is a mailbox as the list of them shows it.
type Account struct {
	Name     string
	Quota    int64 // bytes; 0: none
	Bytes    int64 // of all its messages, each copy counted in full
	Messages int
	Created  time.Time
}

// Add makes an account with INBOX, Drafts, Sent, Junk, Trash and Archive, all subscribed. Names are
// canonical: local part in lower case and without tag, domain a lower-case A-label. ErrExists.
func (s *Store) Add(ctx context.Context, account string, quota int64) error { return ErrClosed }

// Remove removes an account with its mail. Folders of it that are open return ErrNoAccount from then on.
// An account of this name that is made later has other UIDVALIDITYs.
func (s *Store) Remove(ctx context.Context, account string) error { return ErrClosed }

// Has tells whether there is such an account. It reads memory only.
func (s *Store) Has(account string) bool { return false }

// Account returns one account, or ErrNoAccount. It reads memory only.
func (s *Store) Account(account string) (Account, error) { return Account{}, ErrNoAccount }

// Accounts returns all accounts in the order of their names.
func (s *Store) Accounts(ctx context.Context) ([]Account, error) { return nil, ErrClosed }

// SetQuota sets an account's quota in bytes; 0: none. What is there already stays.
func (s *Store) SetQuota(ctx context.Context, account string, quota int64) error { return ErrClosed }

// Room tells whether size more bytes go into the account: nil, ErrOverQuota or ErrNoAccount. It reads memory
// only; Deliver and Append decide for good.
func (s *Store) Room(account string, size int64) error { return ErrNoAccount }

// LockMaildrop gives the caller the account's maildrop for itself (RFC 1939 8), until release is called; more
// than one call of that does nothing. ErrInUse if somebody has it. IMAP sessions and deliveries go on
// beside it.
func (s *Store) LockMaildrop(account string) (release func(), err error) { return nil, ErrNoAccount }
