package queue

import (
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// space decides whether there is room for another message.
type space struct {
	fs                    vfs.FS
	dir                   string
	reserve               int64
	maxBytes, maxMessages int64
	looked                atomic.Int64 // when the disk was last asked, in microseconds
	free                  atomic.Int64 // what it said
	trouble               atomic.Int64 // when background work last failed, 0 if never
}

const (
	lookAgain    = 100_000    // microseconds for which an answer of the disk is good
	troubleLasts = 10_000_000 // microseconds for which mail is turned away after trouble
)

// check returns a *FullError if a message must be turned away.
func (s *space) check(now time.Time, messages, bytes int64) error {
	switch {
	case s.maxMessages > 0 && messages >= s.maxMessages:
		return &FullError{What: "messages", Have: messages, Limit: s.maxMessages}
	case s.maxBytes > 0 && bytes >= s.maxBytes:
		return &FullError{What: "bytes", Have: bytes, Limit: s.maxBytes}
	}
	us := micros(now)
	if t := s.trouble.Load(); t != 0 && us-t < troubleLasts && us >= t {
		return &FullError{What: "disk", Have: s.free.Load(), Limit: max(0, s.reserve)}
	}
	if s.reserve < 0 {
		return nil
	}
	if last := s.looked.Load(); us-last >= lookAgain || us < last {
		if s.looked.CompareAndSwap(last, us) {
			s.look()
		}
	}
	if free := s.free.Load(); free < s.reserve {
		return &FullError{What: "disk", Have: free, Limit: s.reserve}
	}
	return nil
}

// short tells whether less than the reserve was free when the disk was last asked.
func (s *space) short() bool { return s.reserve >= 0 && s.free.Load() < s.reserve }

// allows tells whether the disk can spare so many bytes for what is only good to have.
func (s *space) allows(bytes int64) bool {
	s.look()
	return s.free.Load()-bytes >= max(0, s.reserve)
}

// look asks the disk. A file system that cannot tell has room.
func (s *space) look() {
	u, err := s.fs.GetDiskUsage(s.dir)
	if err != nil {
		s.free.Store(1 << 62)
		return
	}
	s.free.Store(int64(min(u.AvailBytes, 1<<62)))
}
