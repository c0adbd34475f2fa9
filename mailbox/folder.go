package mailbox

import (
	"slices"
	"sync/atomic"
)

// Folder is a folder that somebody has open. What is known of its messages is in memory, once for all who
// have it open. All methods may be called at the same time.
//
// A session keeps a list of UIDs of its own and compares it with Since when Changed wakes it: so nothing
// is queued for a client that never reads. When the folder or its account is removed, Changed wakes and
// the calls that have an error return ErrNoFolder or ErrNoAccount.
type Folder struct {
	index  *index
	closed atomic.Bool
}

// Close gives the folder back, when no other call is under way. More than one call does nothing.
func (f *Folder) Close() {
	if !f.closed.Swap(true) {
		f.index.release()
	}
}

// Err is nil; or ErrNoFolder, ErrNoAccount, ErrFailed or ErrClosed when the folder cannot be used any more.
func (f *Folder) Err() error {
	if f.closed.Load() {
		return ErrClosed
	}
	if err := f.index.store.Err(); err != nil {
		return err
	}
	f.index.mu.RLock()
	defer f.index.mu.RUnlock()
	return f.index.dead
}

// Info returns the numbers of the folder.
func (f *Folder) Info() Info { return f.index.Info() }

// Info returns the numbers of the folder.
func (x *index) Info() Info {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.info
}

// UIDs returns the UIDs of all messages, ascending, as the caller's own.
func (f *Folder) UIDs() []uint32 {
	x := f.index
	x.mu.RLock()
	defer x.mu.RUnlock()
	uids := make([]uint32, len(x.entries))
	for i := range x.entries {
		uids[i] = x.entries[i].uid
	}
	return uids
}

// Keywords returns the keywords in use in the folder, sorted.
func (f *Folder) Keywords() []string {
	f.index.mu.RLock()
	defer f.index.mu.RUnlock()
	return f.index.words.all()
}

// Get returns a message as it is now; false if it is not there (any more).
func (f *Folder) Get(uid uint32) (Message, bool) {
	x := f.index
	x.mu.RLock()
	defer x.mu.RUnlock()
	i, ok := x.find(uid)
	if !ok {
		return Message{}, false
	}
	return x.message(&x.entries[i]), true
}

// Changed returns a channel that is closed at the next change. Ask for it before looking at the folder,
// so that no change is missed.
func (f *Folder) Changed() <-chan struct{} {
	x := f.index
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.changed == nil {
		x.changed = make(chan struct{})
	}
	c := x.changed
	if x.dead != nil {
		x.wake()
	}
	return c
}

// Since returns what has happened after modseq: messages that are new or have other flags, ascending by
// UID, and the UIDs that are gone, ascending; now is the modseq to ask with next. Not ok: modseq is too
// old to tell what is gone since; then changed is right and gone is not: compare with UIDs.
func (f *Folder) Since(modseq uint64) (changed []Message, gone []uint32, now uint64, ok bool) {
	x := f.index
	x.mu.RLock()
	defer x.mu.RUnlock()
	now = x.info.ModSeq
	if modseq >= now {
		return nil, nil, now, true
	}
	uids, known := x.log.since(modseq)
	if known {
		for _, uid := range uids {
			if i, ok := x.find(uid); ok {
				changed = append(changed, x.message(&x.entries[i]))
			}
		}
	} else {
		for i := range x.entries {
			if x.entries[i].modseq > modseq {
				changed = append(changed, x.message(&x.entries[i]))
			}
		}
	}
	return slices.Clip(changed), x.gone.since(modseq), now, modseq >= x.gone.floor
}
