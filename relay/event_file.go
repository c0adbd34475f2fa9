package relay

import (
	"fmt"
	"io"
	"os"
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

// eventFileWriter writes batches of whole lines to the file. REQUIRES: EventLog.fileMu, but for
// rotations.
type eventFileWriter struct {
	opt  *EventLogOptions
	file eventFile
	// size is the length of the file up to the last batch that was written (and synced).
	size  int64
	began time.Time // when the file's first line was written
	// pending is the batch in hand, the first written bytes of which the file has taken.
	pending []byte
	written int
	// doubtful is set by a failed sync: the kernel may then have thrown the pages away and
	// report success the next time, so the batch must be written again, not just synced.
	doubtful bool

	rotateAfter time.Time // set by a failed rotation: not before then
	rotations   atomic.Int64
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
	w.written, w.doubtful = 0, false
	return nil
}

// write makes pending safe and empties it. After an error pending and written say what is left.
func (w *eventFileWriter) write() error {
	if w.doubtful {
		if err := w.takeBack(); err != nil {
			return err
		}
	}
	for w.written < len(w.pending) {
		n, err := w.file.Write(w.pending[w.written:])
		w.written += n
		if err != nil {
			return err
		}
	}
	if w.opt.Sync {
		if err := w.file.Datasync(); err != nil {
			w.doubtful = true
			return err
		}
	}
	w.size += int64(len(w.pending))
	w.pending, w.written = w.pending[:0], 0
	return nil
}

// takeBack cuts off what the file holds of the batch in hand, so that it can be written again. If
// the file is not as long as we left it somebody else writes to it too: then the batch is doubled
// rather than anything cut that is not ours.
func (w *eventFileWriter) takeBack() error {
	size, err := w.file.Size()
	if err != nil {
		return err
	}
	if size == w.size+int64(w.written) {
		if err := w.file.Truncate(w.size); err != nil {
			return err
		}
	} else {
		w.size = size
	}
	w.written, w.doubtful = 0, false
	return nil
}

// reopen leaves the file for whatever lies at Path now. A batch that is half written moves to the
// new file as a whole.
func (w *eventFileWriter) reopen() error {
	old := w.file
	if w.written > 0 {
		_ = w.takeBack() // at worst the batch stands in both
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

// mendEventFile ends the last line if a crash tore it. The relay had not been told that the event
// was safe, so it is logged again; the torn line must only not swallow the next one.
func mendEventFile(f *os.File) (size int64, began time.Time, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, time.Time{}, err
	}
	if !info.Mode().IsRegular() { // rotation would rename it, and only a file can be cut
		return 0, time.Time{}, fmt.Errorf("%s is not a regular file", f.Name())
	}
	size = info.Size()
	if size == 0 {
		return 0, time.Time{}, nil
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
