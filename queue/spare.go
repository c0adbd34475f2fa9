package queue

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"
)

// A sync of a log that grows has the file system write its new size and blocks too; of one whose
// blocks were written before, only the data. Here that halves the time to the 250 of a client that is
// alone. Pebble uses old logs again for that reason, but has none to use until the memtable has been
// flushed twice, and none at all after each start. So a spare one, full of zeros, is kept for it:
// what follows the last record of a log is then zeros, which end it as the end of the file would.
//
// Setting the size without writing, or reserving the blocks, does not do: file systems note for each
// such block that it was written, at the sync.
const (
	spareName  = "spare"
	spareDraft = "spare.tmp"
	sparePiece = 512 << 10             // bytes written at once
	sparePause = 10 * time.Millisecond // between them, so that mail has the disk
	spareDelay = 5 * time.Second       // after a log was made: a start has better things to do
)

// spare is the file that becomes the next log which Pebble makes anew.
type spare struct {
	fs    vfs.FS
	dir   string
	size  int64
	room  func(bytes int64) bool // tells whether the disk can spare so much
	ready atomic.Bool
	taken chan struct{} // holds a token when Pebble has made a log since the last look
}

// newSpare looks for the file that an earlier run left. A size of 0 means that there is never one.
func newSpare(fs vfs.FS, dir string, size int64, room func(int64) bool) *spare {
	s := &spare{fs: fs, dir: dir, size: size, room: room, taken: make(chan struct{}, 1)}
	if size <= 0 {
		return s
	}
	info, err := fs.Stat(s.path(spareName))
	s.ready.Store(err == nil && info.Size() >= size)
	s.taken <- struct{}{}
	return s
}

func (s *spare) path(name string) string { return s.fs.PathJoin(s.dir, name) }

// take makes the spare the log of that name; false means that there is none.
func (s *spare) take(name string, c vfs.DiskWriteCategory) (vfs.File, bool) {
	if s.size <= 0 {
		return nil, false
	}
	select {
	case s.taken <- struct{}{}:
	default:
	}
	if !s.ready.CompareAndSwap(true, false) {
		return nil, false
	}
	file, err := s.fs.ReuseForWrite(s.path(spareName), name, c)
	return file, err == nil // else the caller makes a new one, and meets what is wrong with the disk
}

// make writes the spare if there is none and the disk has room, piece by piece; pause returns false to stop.
func (s *spare) make(pause func() bool) error {
	if s.size <= 0 || s.ready.Load() || !s.room(2*s.size) {
		return nil
	}
	draft := s.path(spareDraft)
	if err := s.write(draft, pause); err != nil {
		if gone := s.fs.Remove(draft); !oserror.IsNotExist(gone) {
			err = errors.Join(err, gone)
		}
		return err
	}
	if err := s.fs.Rename(draft, s.path(spareName)); err != nil {
		return err
	}
	s.ready.Store(true)
	return nil
}

// errStopped ends the writing of a spare when the queue is closed.
var errStopped = errors.New("stopped")

func (s *spare) write(name string, pause func() bool) (err error) {
	file, err := s.fs.Create(name, "spare")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	zeros := make([]byte, min(sparePiece, s.size))
	for left := s.size; left > 0; left -= int64(len(zeros)) {
		if _, err := file.Write(zeros[:min(left, int64(len(zeros)))]); err != nil {
			return err
		}
		if !pause() {
			return errStopped
		}
	}
	return file.Sync()
}

// keepSpare makes a spare log whenever the last was taken, if the disk has room for it, until the
// queue is closed.
func (q *Queue) keepSpare() {
	defer close(q.spareEnded)
	timer := time.NewTimer(0)
	defer timer.Stop()
	wait := func(d time.Duration) bool {
		timer.Reset(d)
		select {
		case <-q.closed:
			return false
		case <-q.store.failed:
			return false
		case <-timer.C:
			return true
		}
	}
	s := q.store.spare
	for {
		select {
		case <-q.closed:
			return
		case <-q.store.failed:
			return
		case <-s.taken:
		}
		if !wait(spareDelay) {
			return
		}
		if err := s.make(func() bool { return wait(sparePause) }); err != nil && !errors.Is(err, errStopped) {
			q.log.Debug("queue: no spare log", zap.Error(err)) // mail is as safe without
		}
	}
}
