package relay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// rotatedLayout is the time in a rotated file's name: when the next file was begun, in UTC, so
// that no line of it is later. Names sort by time, and rotating renames one file, not all: a
// crash between any two steps leaves every line where the reader looks for it.
const rotatedLayout = "20060102T150405.000000Z"

// rotateRetry is how long a rotation that failed is not tried again: the log grows meanwhile,
// which loses nothing.
const rotateRetry = time.Minute

// rotationDue tells whether the file is too large or too old. Only called between batches, so a
// line never stands in two files.
func (w *eventFileWriter) rotationDue() bool {
	if w.length() == 0 {
		return false
	}
	tooLarge := w.opt.MaxBytes > 0 && w.length() >= w.opt.MaxBytes
	if !tooLarge && w.opt.MaxAge < 0 {
		return false
	}
	now := w.opt.Now()
	return (tooLarge || now.Sub(w.began) >= w.opt.MaxAge) && !now.Before(w.rotateAfter)
}

// rotate gives the file its final name, starts a new one and removes those that are too many. On
// an error the old file stays in use, whatever its name.
func (w *eventFileWriter) rotate() error {
	err := w.startNewFile()
	if err != nil {
		w.rotateAfter = w.opt.Now().Add(rotateRetry)
		return err
	}
	w.rotations.Add(1)
	return w.removeOldFiles()
}

// startNewFile syncs the old file first: what is in a rotated file is safe.
func (w *eventFileWriter) startNewFile() error {
	if err := w.writeAndSync(); err != nil {
		return err
	}
	path := w.opt.Path
	rotated, err := rotatedEventFiles(path)
	if err != nil {
		return err
	}
	name := w.opt.Now().UTC().Truncate(time.Microsecond)
	if n := len(rotated); n > 0 && !name.After(rotated[n-1].until) {
		name = rotated[n-1].until.Add(time.Microsecond) // the clock was set back; the order stays
	}
	// The file may be gone already: an earlier rotation came this far and could not open.
	err = os.Rename(path, path+"."+name.Format(rotatedLayout))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	old := w.file
	if err := w.open(); err != nil {
		return err
	}
	_ = old.Close() // its lines are synced
	return nil
}

func (w *eventFileWriter) removeOldFiles() error {
	if w.opt.MaxFiles < 0 {
		return nil
	}
	rotated, err := rotatedEventFiles(w.opt.Path)
	if err != nil {
		return err
	}
	for _, f := range rotated[:max(len(rotated)-w.opt.MaxFiles, 0)] {
		if err := f.remove(); err != nil {
			return err
		}
	}
	return nil
}

// rotatedFile is a file that is written no more.
type rotatedFile struct {
	path  string
	until time.Time // no event of it is later, clocks willing
	// compressed tells that path is that of a compressed file.
	compressed bool
}

// remove removes the file, also what a crash, or a compression under way, has of it beside.
func (f rotatedFile) remove() error {
	plain := strings.TrimSuffix(f.path, compressedSuffix)
	for _, path := range []string{plain, plain + halfSuffix, plain + compressedSuffix} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// rotatedEventFiles returns the rotated files of the log at path, oldest first. Of one that a crash has left both
// compressed and not, it returns the latter.
func rotatedEventFiles(path string) ([]rotatedFile, error) {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list rotated event logs: %w", err)
	}
	var files []rotatedFile
	for _, e := range entries {
		stamp, ok := strings.CutPrefix(e.Name(), base+".")
		if !ok {
			continue
		}
		stamp, compressed := strings.CutSuffix(stamp, compressedSuffix)
		until, err := time.Parse(rotatedLayout, stamp)
		if err != nil {
			continue // somebody else's file
		}
		files = append(files, rotatedFile{filepath.Join(dir, e.Name()), until, compressed})
	}
	slices.SortStableFunc(files, func(a, b rotatedFile) int { return a.until.Compare(b.until) }) // the shorter name first
	return slices.CompactFunc(files, func(a, b rotatedFile) bool { return a.until.Equal(b.until) }), nil
}

// syncDir makes renames in a directory safe.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
