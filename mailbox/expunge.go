package mailbox

import (
	"context"
	"slices"
)

// Expunge removes messages, all in one write, whatever their flags, and returns those that were there.
func (f *Folder) Expunge(ctx context.Context, uids []uint32) ([]uint32, error) {
	return f.expunge(ctx, uids, 0)
}

// ExpungeDeleted is Expunge of those that are flagged Deleted as of that write: one that another client takes the flag
// off just before stays.
func (f *Folder) ExpungeDeleted(ctx context.Context, uids []uint32) ([]uint32, error) {
	return f.expunge(ctx, uids, Deleted)
}

// expunge removes those messages that have all the flags.
func (f *Folder) expunge(ctx context.Context, uids []uint32, flagged System) ([]uint32, error) {
	uids = sorted(uids)
	var gone []uint32 // the committer's, until it is done
	err := f.modify(ctx, 128*len(uids), func(t *txn, x *index, st *folderState) error {
		var at []int
		if at, gone = x.places(uids, flagged); len(at) == 0 {
			return nil
		}
		if err := t.loadShares(x, at); err != nil {
			return err
		}
		for _, i := range at {
			m := x.record(&x.entries[i])
			st.account.bytes.Add(-m.size())
			t.removeMessage(st, x.entries[i].uid, &m)
			t.dropContent(&m)
		}
		t.expunged(x, st, at, gone)
		return nil
	})
	if err != nil {
		return nil, err
	}
	f.index.store.counts.expunged.Add(int64(len(gone)))
	return gone, nil
}

// places returns where those of the UIDs are that are there and have all the flags. Called with a lock.
func (x *index) places(uids []uint32, flagged System) (at []int, found []uint32) {
	for _, uid := range uids {
		if i, ok := x.find(uid); ok && x.entries[i].system&flagged == flagged {
			at, found = append(at, i), append(found, uid)
		}
	}
	return at, found
}

// loadShares reads the counts of the contents that messages share, while a failing disk can still be told.
func (t *txn) loadShares(x *index, at []int) error {
	for _, i := range at {
		if e := &x.entries[i]; e.shared {
			if err := t.loadShare(e.content); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeMessage takes a message out of its folder; its content and the account's bytes are counted by the caller.
func (t *txn) removeMessage(st *folderState, uid uint32, m *mail) {
	t.remove(uidKey(spaceMessage, st.id, uid))
	if m.prefix > 0 {
		t.remove(uidKey(spacePrefix, st.id, uid))
		t.Store.meta.bytes -= int64(m.prefix)
	}
	st.count(m.flags.System, m.size(), -1)
	st.account.count.Add(-1)
	t.touchAccount(st.account)
}

// expunged notes that messages have gone, and shows it.
func (t *txn) expunged(x *index, st *folderState, at []int, gone []uint32) {
	st.modseq++
	t.touch(st)
	op := goneOp{st.modseq, runsOf(gone)}
	forget, fits := x.gone.excess(op)
	for _, old := range x.gone.ops[:forget] {
		t.remove(goneKey(st.id, old.modseq))
		st.floor = old.modseq
	}
	if fits {
		t.set(goneKey(st.id, op.modseq), encodeRuns(op.runs))
	} else {
		st.floor = op.modseq
	}
	info, floor := st.info(), st.floor
	t.then(func() { x.expunged(info, floor, at, op, forget, fits) })
}

// expunged shows that messages have gone.
func (x *index) expunged(info Info, floor uint64, at []int, op goneOp, forget int, fits bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.isOpen() {
		return
	}
	x.info = info
	x.gone.drop(forget)
	if x.gone.floor = floor; fits {
		x.gone.add(op)
	}
	to := at[0]
	for n, i := range at {
		x.words.drop(x.entries[i].words)
		next := len(x.entries)
		if n+1 < len(at) {
			next = at[n+1]
		}
		to += copy(x.entries[to:], x.entries[i+1:next])
	}
	x.entries = x.entries[:to]
	if cap(x.entries) > 2*to+1024 {
		x.entries = slices.Clip(slices.Clone(x.entries))
	}
	x.account()
	x.wake()
}
