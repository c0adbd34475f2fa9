package mailbox

import (
	"context"
	"slices"
)

// sorted returns the UIDs ascending, each once.
func sorted(uids []uint32) []uint32 {
	uids = slices.Clone(uids)
	slices.Sort(uids)
	return slices.Compact(uids)
}

// modify has the committer change messages of the folder. run is called with the read lock of a loaded index that
// no other change of the batch has touched.
func (f *Folder) modify(ctx context.Context, size int, run func(t *txn, x *index, st *folderState) error) error {
	if err := f.Err(); err != nil {
		return err
	}
	x := f.index
	if !x.retain() { // until the change is done, whatever the caller closes meanwhile
		return ErrClosed
	}
	defer x.release()
	return x.store.change(ctx, size, func(t *txn) error {
		st := x.state
		if st.gone != nil {
			return st.gone
		}
		if err := t.modify(x); err != nil {
			return err
		}
		x.mu.RLock()
		defer x.mu.RUnlock()
		return run(t, x, st)
	})
}

// flagChange is a message's new flags.
type flagChange struct {
	at    int // in the index
	flags Flags
}

// SetFlags changes the flags of messages, all in one write, and returns those that are other than before.
// Messages that have changed after unchangedSince are left as they are, and refused (RFC 7162 3.1.3); 0:
// none are. UIDs that are not there are ignored.
func (f *Folder) SetFlags(ctx context.Context, uids []uint32, op FlagOp, flags Flags, unchangedSince uint64) (changed []Message, refused []uint32, err error) {
	if flags, err = flags.clean(); err != nil {
		return nil, nil, err
	}
	uids = sorted(uids)
	var done struct { // the committer's, until it is done
		changed []Message
		refused []uint32
	}
	err = f.modify(ctx, 64*len(uids), func(t *txn, x *index, st *folderState) error {
		changes, refused, err := x.plan(uids, op, flags, unchangedSince)
		if done.refused = refused; err != nil || len(changes) == 0 {
			return err
		}
		done.changed = t.setFlags(x, st, changes)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return done.changed, done.refused, nil
}

// plan finds out what SetFlags has to change.
func (x *index) plan(uids []uint32, op FlagOp, flags Flags, unchangedSince uint64) (changes []flagChange, refused []uint32, err error) {
	for _, uid := range uids {
		at, ok := x.find(uid)
		if !ok {
			continue
		}
		e := &x.entries[at]
		if unchangedSince > 0 && e.modseq > unchangedSince {
			refused = append(refused, uid)
			continue
		}
		old := Flags{System: e.system, Keywords: x.words.get(e.words)}
		now := old.change(op, flags)
		if now.equal(old) {
			continue
		}
		if len(now.Keywords) > maxKeywords {
			return nil, nil, ErrLimit
		}
		changes = append(changes, flagChange{at, now})
	}
	return changes, refused, nil
}

func (t *txn) setFlags(x *index, st *folderState, changes []flagChange) []Message {
	st.modseq++
	modseq := st.modseq
	messages := make([]Message, 0, len(changes))
	for _, c := range changes {
		e := &x.entries[c.at]
		m := x.record(e)
		st.count(m.flags.System, m.size(), -1)
		m.flags, m.modseq = c.flags, modseq
		st.count(m.flags.System, m.size(), 1)
		t.set(uidKey(spaceMessage, st.id, e.uid), m.encode())
		shown := x.message(e)
		shown.Flags, shown.ModSeq = c.flags, modseq
		messages = append(messages, shown)
	}
	t.touch(st)
	info := st.info()
	t.then(func() { x.setFlags(info, changes) })
	return messages
}

// setFlags shows what has changed.
func (x *index) setFlags(info Info, changes []flagChange) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.isOpen() {
		return
	}
	x.info = info
	uids := make([]uint32, 0, len(changes))
	for _, c := range changes {
		e := &x.entries[c.at]
		words := x.words.take(c.flags.Keywords)
		x.words.drop(e.words)
		e.system, e.words, e.modseq = c.flags.System, words, info.ModSeq
		uids = append(uids, e.uid)
	}
	x.log.add(info.ModSeq, uids...)
	x.wake()
}
