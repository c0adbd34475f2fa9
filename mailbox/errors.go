package mailbox

import "errors"

var (
	// ErrNoAccount tells that there is no such account, or that it was removed meanwhile.
	ErrNoAccount = errors.New("mailbox: no such account")
	// ErrNoFolder tells that the account has no such folder, or that it was deleted meanwhile.
	ErrNoFolder = errors.New("mailbox: no such folder")
	// ErrNoMessage tells that the folder has no such message, or not any more.
	ErrNoMessage = errors.New("mailbox: no such message")
	// ErrExists tells that an account or folder of this name is there already.
	ErrExists = errors.New("mailbox: exists already")
	// ErrName tells that an account or folder may not be called so.
	ErrName = errors.New("mailbox: impossible name")
	// ErrOverQuota tells that the account has no room for it.
	ErrOverQuota = errors.New("mailbox: over quota")
	// ErrInUse tells that another session holds the maildrop.
	ErrInUse = errors.New("mailbox: maildrop in use")
	// ErrNUL refuses content with a NUL octet, which neither POP3 nor IMAP can hand out again.
	ErrNUL = errors.New("mailbox: content has a NUL octet")
	// ErrLimit refuses what would grow without bound: too many folders, keywords, or a message too large.
	ErrLimit = errors.New("mailbox: limit reached")
	// ErrInbox refuses to delete the INBOX.
	ErrInbox = errors.New("mailbox: the INBOX stays")
	// ErrLocked tells that another process has the store open, most likely the daemon.
	ErrLocked = errors.New("mailbox: in use by another process")
	// ErrFailed tells that a write or a sync failed. The store acknowledges nothing any more; the process
	// should end in order.
	ErrFailed = errors.New("mailbox: store failed")
	// ErrClosed is returned by calls after Close.
	ErrClosed = errors.New("mailbox: store closed")
)
