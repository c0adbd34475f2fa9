package mailbox

import (
	"bytes"
	"context"
	"time"
)

// Delivery is a message on its way to local recipients.
type Delivery struct {
	ID       string // the queue's id. With Copy.Key it names a copy, which is delivered once however often it is tried; "": it is not checked
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

// DedupeFor is how long a delivered copy is remembered, and up to twice that. It is longer than mail stays queued.
const DedupeFor = 14 * 24 * time.Hour

// Deliver stores the copies. It returns when all that have no error of their own are on stable storage, in
// one write; concurrent calls share a sync. A copy that was delivered before under the same ID and Key
// (within DedupeFor) is not delivered again and has no error.
//
// A copy's error is ErrNoAccount, ErrOverQuota, ErrNUL or ErrLimit. The other error is the store's own: nothing
// of the delivery is acknowledged.
func (s *Store) Deliver(ctx context.Context, d Delivery) ([]error, error) {
	if d.Received.IsZero() {
		d.Received = s.now()
	}
	content := checkContent(d.Content)
	var errs []error
	err := s.change(ctx, len(d.Content)+256*len(d.Copies), func(t *txn) error {
		copies := make([]delivered, len(d.Copies)) // again, if the request was put off
		for i := range copies {
			if err := copies[i].prepare(t, &d, i, content); err != nil {
				return err
			}
		}
		errs = t.deliver(&d, copies)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, err := range errs {
		if err != nil {
			s.counts.refused.Add(1)
		} else {
			s.counts.delivered.Add(1)
		}
	}
	return errs, nil
}

// delivered is a copy on its way.
type delivered struct {
	to   *folderState
	hash seenHash
	twin bool // is there already
	err  error
	size int64
}

// prepare finds out all that needs the disk; nothing is changed yet.
func (c *delivered) prepare(t *txn, d *Delivery, i int, content error) error {
	want := &d.Copies[i]
	c.size = int64(len(want.Header) + len(d.Content))
	switch {
	case content != nil:
		c.err = content
	case len(want.Header) > maxPrefix:
		c.err = ErrLimit
	case bytes.IndexByte(want.Header, 0) >= 0:
		c.err = ErrNUL
	}
	if c.err != nil {
		return nil
	}
	a, folders, err := t.account(want.Account)
	if a == nil {
		c.err = err
		return nil
	}
	if err != nil {
		return err
	}
	if c.to = folders[canonical(want.Folder)]; c.to == nil {
		c.to = folders[inbox]
	}
	if d.ID == "" {
		return nil
	}
	c.hash = hashCopy(d.ID, want.Key)
	c.twin, err = t.wasDelivered(c.hash)
	return err
}

// wasDelivered tells whether a copy was delivered lately.
func (t *txn) wasDelivered(h seenHash) (bool, error) {
	if _, ok := t.seen[h]; ok {
		return true, nil
	}
	now := seenPeriod(t.now())
	for _, period := range []uint64{now, now - 1} {
		b, err := t.get(seenKey(period, h))
		if b != nil || err != nil {
			return b != nil, err
		}
	}
	return false, nil
}

// deliver adds the copies to the batch and returns their errors.
func (t *txn) deliver(d *Delivery, copies []delivered) []error {
	errs := make([]error, len(copies))
	users := 0
	for i := range copies {
		c := &copies[i]
		if !c.twin && d.ID != "" {
			_, c.twin = t.seen[c.hash] // the same key twice in a delivery
		}
		if c.err == nil && !c.twin {
			if c.err = c.to.account.room(c.size); c.err == nil {
				c.err = c.to.uidsLeft(1)
			}
		}
		if errs[i] = c.err; c.err != nil || c.twin {
			c.to = nil
			continue
		}
		users++
		c.to.account.bytes.Add(c.size)
		if d.ID != "" {
			t.seen[c.hash] = struct{}{}
			t.set(seenKey(seenPeriod(t.now()), c.hash), nil)
		}
	}
	if users == 0 {
		return errs
	}
	m := t.putContent(d.Content, users)
	m.received = d.Received.UnixMilli()
	for i := range copies {
		if c := &copies[i]; c.to != nil {
			t.addMessage(c.to, m, d.Copies[i].Header)
		}
	}
	return errs
}

// addMessage gives a message to a folder, which must have UIDs left, and returns its UID. The account's bytes
// are counted by the caller.
func (t *txn) addMessage(st *folderState, m mail, prefix []byte) uint32 {
	uid := st.next
	st.next++
	st.modseq++
	m.prefix, m.modseq = uint32(len(prefix)), st.modseq
	t.set(uidKey(spaceMessage, st.id, uid), m.encode())
	if len(prefix) > 0 {
		t.set(uidKey(spacePrefix, st.id, uid), prefix)
		t.Store.meta.bytes += int64(len(prefix))
	}
	st.count(m.flags.System, m.size(), 1)
	st.account.count.Add(1)
	t.touch(st)
	t.touchAccount(st.account)
	if x := st.live(); x != nil {
		info := st.info()
		t.then(func() { x.append(info, []fresh{{uid, m}}) })
	}
	return uid
}

// Append puts a message into a folder, as IMAP's APPEND does, and returns the folder's UIDVALIDITY and the
// message's UID. A zero received: now. ErrNoAccount, ErrNoFolder, ErrOverQuota, ErrNUL, ErrLimit.
func (s *Store) Append(ctx context.Context, account, folder string, content []byte, flags Flags, received time.Time) (validity, uid uint32, _ error) {
	if err := checkContent(content); err != nil {
		return 0, 0, err
	}
	flags, err := flags.clean()
	if err != nil {
		return 0, 0, err
	}
	if received.IsZero() {
		received = s.now()
	}
	var put struct{ validity, uid uint32 } // the committer's, until it is done
	err = s.change(ctx, len(content)+256, func(t *txn) error {
		st, err := t.folder(account, folder)
		if err != nil {
			return err
		}
		if err := st.account.room(int64(len(content))); err != nil {
			return err
		}
		if err := st.uidsLeft(1); err != nil {
			return err
		}
		m := t.putContent(content, 1)
		m.received, m.flags = received.UnixMilli(), flags
		st.account.bytes.Add(int64(len(content)))
		put.validity, put.uid = st.validity, t.addMessage(st, m, nil)
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	s.counts.appended.Add(1)
	return put.validity, put.uid, nil
}
