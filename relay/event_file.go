package relay

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// eventFile is what the log needs of a file. Tests put one in its place that fails.
type eventFile interface {
	io.Writer // appends
	Datasync() error
	Truncate(size int64) error
	Size() (int64, error)
	Close() error
}

// openEventFile opens the file at path for appending, creating it. It tells the file's size, and
// when its first line was written if that can be known, else the zero time.
type openEventFile func(path string) (file eventFile, size int64, began time.Time, err error)

// maxUnsynced is how many bytes are written before they are synced although nobody has asked for it:
// as long as they are not they are kept in memory, because a failed sync loses them.
const maxUnsynced = 4 << 20

// eventFileWriter writes whole lines to the file. REQUIRES: EventLog.fileMu, but for the atomics.
type eventFileWriter struct {
	opt  *EventLogOptions
	file eventFile
	// size is the length of the file up to the last sync.
	size  int64
	began time.Time // when the file's first line was written
	// pending is what is not synced yet, the first written bytes of which the file has taken.
	pending []byte
	written int
	taken   []byte // the log's buffer that was taken last, for use again
	bytes   int64  // written in all
	// doubtful is set by a failed sync: the kernel may then have thrown the pages away and
	// report success the next time, so pending must be written again, not just synced.
	doubtful bool
	// inherited tells that the file's earlier lines, those of a process that was killed, were not
	// synced by us.
	inherited bool

	rotateAfter      time.Time // set by a failed rotation: not before then
	rotations, syncs atomic.Int64
}

func newEventFileWriter(opt *EventLogOptions) (*eventFileWriter, error) {
	w := &eventFileWriter{opt: opt}
	return w, w.open()
}

// open opens Path. On an error w stays as it was.
func (w *eventFileWriter) open() error {
	file, size, began, err := w.opt.open(w.opt.Path)
	if err != nil {
		return err
	}
	if began.IsZero() {
		began = w.opt.Now()
	}
	w.file, w.size, w.began = file, size, began
	w.written, w.doubtful, w.inherited = 0, false, size > 0
	return nil
}

// length is the length of the file.
func (w *eventFileWriter) length() int64 { return w.size + int64(w.written) }

// write hands pending to the kernel. After an error written says how far it came.
func (w *eventFileWriter) write() error {
	again := w.doubtful
	if again {
		if err := w.takeBack(); err != nil {
			return err
		}
	}
	for w.written < len(w.pending) {
		n, err := w.file.Write(w.pending[w.written:])
		w.written += n
		w.bytes += int64(n)
		if err != nil {
			return err
		}
	}
	if again || len(w.pending) >= maxUnsynced { // while syncs fail, writing is no success
		return w.sync()
	}
	return nil
}

func (w *eventFileWriter) writeAndSync() error {
	if err := w.write(); err != nil {
		return err
	}
	return w.sync()
}

// sync makes safe what is written, and forgets it. REQUIRES: write has returned nil.
func (w *eventFileWriter) sync() error {
	if len(w.pending) == 0 && !w.inherited {
		return nil
	}
	if err := w.file.Datasync(); err != nil {
		w.doubtful = true
		return err
	}
	w.syncs.Add(1)
	w.size += int64(len(w.pending))
	w.pending, w.written, w.inherited = w.pending[:0], 0, false
	return nil
}

// takeBack cuts off what the file holds of pending, so that it can be written again. If the file is
// not as long as we left it somebody else writes to it too: then pending is doubled rather than
// anything cut that is not ours.
func (w *eventFileWriter) takeBack() error {
	size, err := w.file.Size()
	if err != nil {
		return err
	}
	if size == w.length() {
		if err := w.file.Truncate(w.size); err != nil {
			return err
		}
	} else {
		w.size = size
	}
	w.written, w.doubtful = 0, false
	return nil
}

// reopen leaves the file for whatever lies at Path now. What is not synced moves to the new file.
func (w *eventFileWriter) reopen() error {
	old := w.file
	if w.written > 0 {
		_ = w.takeBack() // at worst it stands in both
	}
	if err := w.open(); err != nil {
		return err
	}
	_ = old.Close() // all that matters of it is synced, or was reported as an error
	return nil
}

// close closes the file; nothing may be written afterwards.
func (w *eventFileWriter) close() error {
	err := w.file.Close()
	w.file = nil
	return err
}

// osEventFile is the real file.
type osEventFile struct{ *os.File }

func openOSEventFile(path string) (eventFile, int64, time.Time, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return nil, 0, time.Time{}, err
	}
	size, began, err := mendEventFile(f)
	if err != nil {
		_ = f.Close()
		return nil, 0, time.Time{}, err
	}
	return osEventFile{f}, size, began, nil
}

// mendEventFile ends the last line if a crash tore it: the line of a recipient's end is written again from
// the queue's note, and the torn one must only not swallow it.
func mendEventFile(f *os.File) (size int64, began time.Time, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, time.Time{}, err
	}
	if !info.Mode().IsRegular() { // rotation would rename it, and only a file can be cut
		return 0, time.Time{}, fmt.Errorf("%s is not a regular file", f.Name())
	}
	if size, err = cutZeros(f, info.Size()); err != nil {
		return 0, time.Time{}, fmt.Errorf("mend the end: %w", err)
	}
	if size == 0 {
		// The name must be as safe as the lines will be; a rotated file's new name is made so too.
		return 0, time.Time{}, syncDir(filepath.Dir(f.Name()))
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, size-1); err != nil {
		return 0, time.Time{}, err
	}
	if last[0] != '\n' {
		if _, err := f.Write([]byte{'\n'}); err != nil {
			return 0, time.Time{}, fmt.Errorf("mend the last line: %w", err)
		}
		size++
	}
	return size, firstEventTime(f, info.ModTime()), nil
}

// cutZeros cuts zeros off the end of the file and returns its length: after a power failure a file can be as
// long as it was without holding what was last written to it.
func cutZeros(f *os.File, size int64) (int64, error) {
	end, piece := size, make([]byte, 64<<10)
	for end > 0 {
		piece = piece[:min(int64(cap(piece)), end)]
		if _, err := f.ReadAt(piece, end-int64(len(piece))); err != nil {
			return 0, err
		}
		rest := len(bytes.TrimRight(piece, "\x00"))
		if end -= int64(len(piece) - rest); rest > 0 {
			break
		}
	}
	if end == size {
		return size, nil
	}
	return end, f.Truncate(end)
}

// firstEventTime reads when the first event of the file happened; other if that cannot be read,
// as in the formats that do not tell the year.
func firstEventTime(f io.ReaderAt, other time.Time) time.Time {
	head := make([]byte, 4096)
	n, _ := f.ReadAt(head, 0)
	if t, ok := stampInLine(head[:n]); ok {
		return t
	}
	return other
}

// Size returns the length of the file.
func (f osEventFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Datasync makes the file's bytes and length safe.
func (f osEventFile) Datasync() error { return datasync(f.File) }
