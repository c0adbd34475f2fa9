package mailbox

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// entry is a message in the index of an open folder.
type entry struct {
	content  uint64
	modseq   uint64
	received int64 // milliseconds since 1970
	uid      uint32
	header   uint32 // lengths, as in mail
	body     uint32
	words    uint32 // number of its set of keywords
	prefix   uint16
	system   System
	shared   bool
}

const entryBytes = int64(unsafe.Sizeof(entry{}))

func (e *entry) size() int64 { return int64(e.prefix) + int64(e.header) + int64(e.body) }

// index is what is in memory of a folder while somebody has it open, once for all. It shows what is durable.
// The committer alone changes it, with the lock; as it knows that, it reads with the read lock.
type index struct {
	store  *Store
	id     uint64       // of the folder
	state  *folderState // the committer's
	loaded chan struct{}
	failed error // to load; set before loaded is closed
	users  atomic.Int64

	mu      sync.RWMutex
	info    Info
	entries []entry // by UID
	late    []fresh // came while the index was being loaded
	words   words
	log     changeLog
	gone    goneLog
	dead    error
	changed chan struct{} // nil: nobody waits
	memory  int64         // accounted
}

// fresh is a message on its way into an index.
type fresh struct {
	uid  uint32
	mail mail
}

// indexMemory bounds all indexes together.
type indexMemory struct {
	limit int64
	used  atomic.Int64
	count atomic.Int64

	mu   sync.Mutex
	open map[*index]struct{}
}

func (m *indexMemory) add(x *index) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open == nil {
		m.open = map[*index]struct{}{}
	}
	m.open[x] = struct{}{}
	m.count.Add(1)
}

func (m *indexMemory) remove(x *index) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.open[x]; ok {
		delete(m.open, x)
		m.count.Add(-1)
	}
}

// closeAll tells who has a folder open that the store is closed.
func (m *indexMemory) closeAll() {
	m.mu.Lock()
	open := slices.Collect(maps.Keys(m.open))
	m.mu.Unlock() // who releases one has that one's lock first
	for _, x := range open {
		x.die(ErrClosed)
	}
}

// isOpen tells whether anybody has it. It takes no lock: the committer may have the read lock already, when a folder is
// copied onto itself.
func (x *index) isOpen() bool { return x.users.Load() > 0 }

// retain adds a user; false if there is none any more: then the index is not kept up to date.
func (x *index) retain() bool {
	for {
		n := x.users.Load()
		if n == 0 {
			return false
		}
		if x.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (x *index) release() {
	if x.users.Add(-1) > 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.entries, x.late, x.words, x.log, x.gone = nil, nil, words{}, changeLog{}, goneLog{}
	x.store.indexes.used.Add(-x.memory)
	x.memory = 0
	x.store.indexes.remove(x)
}

// account tells the bound what the index takes. Called with the lock.
func (x *index) account() {
	now := int64(cap(x.entries)) * entryBytes
	x.store.indexes.used.Add(now - x.memory)
	x.memory = now
}

func (x *index) die(why error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.dead == nil {
		x.dead = why
	}
	x.wake()
}

// wake tells who waits that something has changed. Called with the lock.
func (x *index) wake() {
	if x.changed != nil {
		close(x.changed)
		x.changed = nil
	}
}

// find returns the place of a UID, or of the next above it. Called with a lock.
func (x *index) find(uid uint32) (int, bool) {
	return slices.BinarySearchFunc(x.entries, uid, func(e entry, uid uint32) int { return int(e.uid) - int(uid) })
}

// message shows an entry. Called with a lock.
func (x *index) message(e *entry) Message {
	return Message{
		UID: e.uid, Size: e.size(), ModSeq: e.modseq, Received: time.UnixMilli(e.received).UTC(),
		Flags: Flags{System: e.system, Keywords: x.words.get(e.words)},
	}
}

// record returns an entry as it is on the disk. Called with a lock.
func (x *index) record(e *entry) mail {
	return mail{
		content: e.content, shared: e.shared, prefix: uint32(e.prefix), header: e.header, body: e.body,
		received: e.received, modseq: e.modseq, flags: Flags{System: e.system, Keywords: x.words.get(e.words)},
	}
}

// put adds a message behind the others. Called with the lock.
func (x *index) put(uid uint32, m *mail) {
	x.entries = append(x.entries, entry{
		content: m.content, modseq: m.modseq, received: m.received, uid: uid, header: m.header, body: m.body,
		words: x.words.take(m.flags.Keywords), prefix: uint16(m.prefix), system: m.flags.System, shared: m.shared,
	})
}

// append shows messages that have come.
func (x *index) append(info Info, came []fresh) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.isOpen() {
		return
	}
	x.info = info
	if !x.isLoaded() {
		x.late = append(x.late, came...)
		return
	}
	for i := range came {
		x.put(came[i].uid, &came[i].mail)
		x.log.add(came[i].mail.modseq, came[i].uid)
	}
	x.account()
	x.wake()
}

func (x *index) isLoaded() bool {
	select {
	case <-x.loaded:
		return true
	default:
		return false
	}
}
