package mailbox

import "context"

// Folder is a folder that somebody has open. What is known of its messages is in memory, once for all who
// have it open. All methods may be called at the same time.
//
// A session keeps a list of UIDs of its own and compares it with Since when Changed wakes it: so nothing
// is queued for a client that never reads. When the folder or its account is removed, Changed wakes and
// the calls that have an error return ErrNoFolder or ErrNoAccount.
type Folder struct{}

// OpenFolder opens a folder, which must be closed again. ErrNoAccount, ErrNoFolder.
func (s *Store) OpenFolder(ctx context.Context, account, folder string) (*Folder, error) {
	return nil, ErrClosed
}

// Close gives the folder back. More than one call does nothing.
func (f *Folder) Close() {}

// Err is nil; or ErrNoFolder, ErrNoAccount, ErrFailed or ErrClosed when the folder cannot be used any more.
func (f *Folder) Err() error { return ErrClosed }

// Info returns the numbers of the folder.
func (f *Folder) Info() Info { return Info{} }

// UIDs returns the UIDs of all messages, ascending, as the caller's own.
func (f *Folder) UIDs() []uint32 { return nil }

// Keywords returns the keywords in use in the folder, sorted.
func (f *Folder) Keywords() []string { return nil }

// Get returns a message as it is now; false if it is not there (any more).
func (f *Folder) Get(uid uint32) (Message, bool) { return Message{}, false }

// Changed returns a channel that is closed at the next change. Ask for it before looking at the folder,
// so that no change is missed.
func (f *Folder) Changed() <-chan struct{} { return nil }

// Since returns what has happened after modseq: messages that are new or have other flags, ascending by
// UID, and the UIDs that are gone, ascending; now is the modseq to ask with next. Not ok: modseq is too
// old to tell what is gone since (or the folder's validity is another); then compare with UIDs.
func (f *Folder) Since(modseq uint64) (changed []Message, gone []uint32, now uint64, ok bool) {
	return nil, nil, 0, false
}

// Content returns a message, header and body, as the caller's own. ErrNoMessage.
func (f *Folder) Content(ctx context.Context, uid uint32) ([]byte, error) { return nil, ErrClosed }

// Header returns a message's header with the empty line that ends it, without reading the body.
func (f *Folder) Header(ctx context.Context, uid uint32) ([]byte, error) { return nil, ErrClosed }

// SetFlags changes the flags of messages, all in one write, and returns those that are other than before.
// Messages that have changed after unchangedSince are left as they are, and refused (RFC 7162 3.1.3); 0:
// none are. UIDs that are not there are ignored.
func (f *Folder) SetFlags(ctx context.Context, uids []uint32, op FlagOp, flags Flags, unchangedSince uint64) (changed []Message, refused []uint32, err error) {
	return nil, nil, ErrClosed
}

// Expunge removes messages, all in one write, whatever their flags, and returns those that were there.
func (f *Folder) Expunge(ctx context.Context, uids []uint32) (gone []uint32, err error) {
	return nil, ErrClosed
}

// CopyTo copies messages to another folder of the account, or the same, in one write: all that are there or
// none. It returns that folder's UIDVALIDITY, and the UIDs here and, in the same order, there. ErrNoFolder,
// ErrOverQuota.
func (f *Folder) CopyTo(ctx context.Context, uids []uint32, folder string) (validity uint32, from, to []uint32, err error) {
	return 0, nil, nil, ErrClosed
}

// MoveTo is CopyTo and Expunge in one write.
func (f *Folder) MoveTo(ctx context.Context, uids []uint32, folder string) (validity uint32, from, to []uint32, err error) {
	return 0, nil, nil, ErrClosed
}

// Watch returns a channel that is closed at the next change of the account's list of folders: names and
// subscriptions, not their messages.
func (s *Store) Watch(account string) <-chan struct{} { return nil }
