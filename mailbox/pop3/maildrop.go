package pop3

import (
	"context"
	"strconv"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// maxMessages bounds the messages that a session numbers. Those that are too many, the latest, come into view
// as the ones before them are removed.
const maxMessages = 1 << 20

// folder is what a session needs of a mailbox.Folder.
type folder interface {
	Info() mailbox.Info
	UIDs() []uint32
	Get(uid uint32) (mailbox.Message, bool)
	HeaderSize(uid uint32) (int64, bool)
	Part(ctx context.Context, uid uint32, offset, length int64) ([]byte, error)
	Expunge(ctx context.Context, uids []uint32) (gone []uint32, err error)
	Close()
}

// openMaildrop locks and opens an account's maildrop.
type openMaildrop func(ctx context.Context, account string) (*maildrop, error)

// storeMaildrops opens the INBOXes of a Store.
func storeMaildrops(store *mailbox.Store) openMaildrop {
	return func(ctx context.Context, account string) (*maildrop, error) {
		release, err := store.LockMaildrop(account)
		if err != nil {
			return nil, err
		}
		f, err := store.OpenFolder(ctx, account, "INBOX")
		if err != nil {
			release()
			return nil, err
		}
		return newMaildrop(f, release), nil
	}
}

// maildrop is an INBOX as it was when the session began. Messages are numbered from 1.
type maildrop struct {
	folder   folder
	release  func() // nil once called
	validity uint32
	entries  []entry
	left     int   // messages not marked as deleted
	bytes    int64 // of those
	removed  int   // by QUIT
}

type entry struct {
	uid    uint32
	marked bool // as deleted
	size   int64
}

func newMaildrop(f folder, release func()) *maildrop {
	uids := f.UIDs()
	d := &maildrop{folder: f, release: release, validity: f.Info().Validity}
	d.entries = make([]entry, 0, min(len(uids), maxMessages))
	for _, uid := range uids {
		m, ok := f.Get(uid)
		if !ok {
			continue // expunged just now
		}
		if len(d.entries) == maxMessages {
			break
		}
		d.entries = append(d.entries, entry{uid: uid, size: m.Size})
		d.bytes += m.Size
	}
	d.left = len(d.entries)
	return d
}

// close gives the maildrop back; more than once does nothing.
func (d *maildrop) close() {
	if d.release != nil {
		d.folder.Close()
		d.release()
		d.release = nil
	}
}

// uniqueID appends the unique id of a message: the UIDVALIDITY and UID of IMAP, which are never given twice
// (RFC 1939 7, UIDL).
func (d *maildrop) uniqueID(b []byte, e *entry) []byte {
	b = strconv.AppendUint(b, uint64(d.validity), 10)
	b = append(b, '.')
	return strconv.AppendUint(b, uint64(e.uid), 10)
}

func (d *maildrop) mark(e *entry) {
	e.marked = true
	d.left--
	d.bytes -= e.size
}

func (d *maildrop) unmarkAll() {
	for i := range d.entries {
		if e := &d.entries[i]; e.marked {
			e.marked = false
			d.left++
			d.bytes += e.size
		}
	}
}

// marked returns the UIDs of the messages that are marked as deleted.
func (d *maildrop) marked() []uint32 {
	uids := make([]uint32, 0, len(d.entries)-d.left)
	for _, e := range d.entries {
		if e.marked {
			uids = append(uids, e.uid)
		}
	}
	return uids
}
