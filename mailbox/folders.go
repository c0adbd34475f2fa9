package mailbox

import "context"

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

// Separator stands between the levels of a folder's name.
const Separator = '/'

// Info is what is known of a folder without opening it.
type Info struct {
	Name       string // UTF-8 in NFC, levels apart by Separator; INBOX in capitals
	Use        Use
	Subscribed bool
	// Missing: the name is only subscribed, or the parent of a folder, and cannot be opened.
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
// are only subscribed.
func (s *Store) Folders(ctx context.Context, account string) ([]Info, error) { return nil, ErrClosed }

// Status returns one folder. Names are compared as they are, but INBOX in any case. ErrNoAccount, ErrNoFolder.
func (s *Store) Status(ctx context.Context, account, folder string) (Info, error) {
	return Info{}, ErrClosed
}

// CreateFolder makes a folder, and those above it that are missing. Use is NoUse, or a special use that no
// other folder of the account has (CREATE-SPECIAL-USE). ErrExists, ErrName, ErrLimit.
func (s *Store) CreateFolder(ctx context.Context, account, folder string, use Use) error {
	return ErrClosed
}

// DeleteFolder deletes a folder with its messages; folders below it stay. ErrInbox, ErrNoFolder.
func (s *Store) DeleteFolder(ctx context.Context, account, folder string) error { return ErrClosed }

// RenameFolder renames a folder and those below it, whose UIDVALIDITYs stay, and makes folders above the
// new name that are missing. Renaming the INBOX moves its messages to a new folder (RFC 9051 6.3.6).
func (s *Store) RenameFolder(ctx context.Context, account, from, to string) error { return ErrClosed }

// Subscribe notes or drops a subscription. The folder need not be there (RFC 9051 6.3.7).
func (s *Store) Subscribe(ctx context.Context, account, folder string, on bool) error {
	return ErrClosed
}
