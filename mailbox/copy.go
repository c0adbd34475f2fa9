package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// CopyTo copies messages to another folder of the account, or the same, in one write: all that are there or
// none. It returns that folder's UIDVALIDITY, and the UIDs here and, in the same order, there. ErrNoFolder,
// ErrOverQuota.
func (f *Folder) CopyTo(ctx context.Context, uids []uint32, folder string) (validity uint32, from, to []uint32, err error) {
	return f.transfer(ctx, uids, folder, false)
}

// MoveTo is CopyTo and Expunge in one write. It needs no quota.
func (f *Folder) MoveTo(ctx context.Context, uids []uint32, folder string) (validity uint32, from, to []uint32, err error) {
	return f.transfer(ctx, uids, folder, true)
}

func (f *Folder) transfer(ctx context.Context, uids []uint32, folder string, move bool) (validity uint32, from, to []uint32, _ error) {
	uids = sorted(uids)
	var done struct { // the committer's, until it is done
		validity uint32
		from, to []uint32
	}
	err := f.modify(ctx, 128*len(uids), func(t *txn, x *index, st *folderState) error {
		dest, err := t.folder(st.account.name, folder)
		if err != nil {
			return err
		}
		c := copying{txn: t, from: x, source: st, dest: dest, move: move}
		done.validity = dest.validity
		if c.at, done.from = x.places(uids, 0); len(c.at) == 0 {
			return nil
		}
		if err := c.prepare(); err != nil {
			return err
		}
		done.to = c.run(done.from)
		return nil
	})
	if err != nil {
		return 0, nil, nil, err
	}
	return done.validity, done.from, done.to, nil
}

// copying is a copy or move under way.
type copying struct {
	*txn
	from         *index
	source, dest *folderState
	move         bool
	at           []int    // of the messages, in the index
	prefixes     [][]byte // of the messages, nil for most
	size         int64
}

// prepare finds out all that needs the disk, and whether it may be done; nothing is changed yet.
func (c *copying) prepare() error {
	if err := c.dest.uidsLeft(len(c.at)); err != nil {
		return err
	}
	for _, i := range c.at {
		c.size += c.from.entries[i].size()
	}
	if !c.move {
		if err := c.source.account.room(c.size); err != nil {
			return err
		}
		if err := c.loadShares(c.from, c.at); err != nil {
			return err
		}
	}
	return c.readPrefixes()
}

func (c *copying) readPrefixes() (err error) {
	it, err := keyIterator(c.db, idKey(spacePrefix, c.source.id))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	c.prefixes = make([][]byte, len(c.at))
	for n, i := range c.at {
		e := &c.from.entries[i]
		if e.prefix == 0 {
			continue
		}
		v, err := seek(it, uidKey(spacePrefix, c.source.id, e.uid))
		if err != nil {
			return fmt.Errorf("mailbox: copying message %d: %w", e.uid, err)
		}
		c.prefixes[n] = bytes.Clone(v)
	}
	return nil
}

func (c *copying) run(uids []uint32) (to []uint32) {
	var marked []int // share their content from now on
	for n, i := range c.at {
		e := &c.from.entries[i]
		m := c.from.record(e)
		if c.move {
			c.removeMessage(c.source, e.uid, &m)
		} else {
			if !m.shared {
				m.shared = true
				c.refs[m.content] = 1
				c.set(uidKey(spaceMessage, c.source.id, e.uid), m.encode())
				marked = append(marked, i)
			}
			c.refs[m.content]++
		}
		to = append(to, c.addMessage(c.dest, m, c.prefixes[n]))
	}
	if c.move {
		c.expunged(c.from, c.source, c.at, uids)
		return to
	}
	c.source.account.bytes.Add(c.size)
	if len(marked) > 0 {
		from := c.from
		c.then(func() { from.share(marked) })
	}
	return to
}

// share notes that contents are shared.
func (x *index) share(at []int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.isOpen() {
		return
	}
	for _, i := range at {
		x.entries[i].shared = true
	}
}
