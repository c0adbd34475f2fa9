package mailbox

import (
	"context"
	"time"
)

// Delivery is a message on its way to local recipients.
type Delivery struct {
	ID       string // the queue's id. With Copy.Key it names a copy, which is delivered once however often it is tried
	Copies   []Copy
	Content  []byte    // stored once for all copies; must not be changed until Deliver has returned
	Received time.Time // zero: now
}

// Copy is one recipient's.
type Copy struct {
	Account string
	Folder  string // "": INBOX. A folder that is not there (any more): INBOX
	Header  []byte // put before the content: Return-Path, Delivered-To; whole lines that end in CRLF
	Key     string // beside Delivery.ID: the recipient's address
}

// Deliver stores the copies. It returns when all that have no error of their own are on stable storage, in
// one write; concurrent calls share a sync. A copy that was delivered before under the same ID and Key
// (within DedupeFor) is not delivered again and has no error.
//
// A copy's error is ErrNoAccount, ErrOverQuota, ErrNUL or ErrLimit. The other error is the store's own: nothing
// of the delivery is acknowledged.
func (s *Store) Deliver(ctx context.Context, d Delivery) ([]error, error) { return nil, ErrClosed }

// DedupeFor is how long a delivered copy is remembered. It is longer than mail stays queued.
const DedupeFor = 14 * 24 * time.Hour

// Append puts a message into a folder, as IMAP's APPEND does, and returns the folder's UIDVALIDITY and the
// message's UID. A zero received: now. ErrNoAccount, ErrNoFolder, ErrOverQuota, ErrNUL, ErrLimit.
func (s *Store) Append(ctx context.Context, account, folder string, content []byte, flags Flags, received time.Time) (validity, uid uint32, err error) {
	return 0, 0, ErrClosed
}
