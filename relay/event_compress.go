package relay

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Rotated files are compressed, which makes ten of them take the room of one. It is done in the background
// and never in a hurry, and the newest one is left as it is: that is the one people look into, and
// where a start searches for lines that a crash may have cost.

const (
	compressAfter    = time.Minute
	compressedSuffix = ".gz"
	// halfSuffix marks a file that is being compressed. What a crash has left of it is written anew.
	halfSuffix = compressedSuffix + ".part"
	// compressPiece is read and compressed at once; then the goroutine rests for compressRest times as long as that
	// took, so that it takes a fifth of one processor at most.
	compressPiece = 256 << 10
	compressRest  = 4
)

// errCompressStopped is returned within when the log is closed.
var errCompressStopped = errors.New("stopped")

// compressInBackground compresses what is rotated, at the start and whenever a file was rotated. Close ends it.
func (l *EventLog) compressInBackground() {
	for {
		if err := l.compressRotated(); err != nil && !errors.Is(err, errCompressStopped) {
			l.report(fmt.Errorf("event log: compress: %w", err))
		}
		select {
		case <-l.rotated:
		case <-l.quit:
			return
		}
	}
}

func (l *EventLog) wakeCompressor() {
	select {
	case l.rotated <- struct{}{}:
	default:
	}
}

// compressRotated compresses the rotated files but for the newest, and those of the last minute.
func (l *EventLog) compressRotated() error {
	files, err := rotatedEventFiles(l.opt.Path)
	if err != nil {
		return err
	}
	before := l.opt.Now().Add(-compressAfter)
	for _, f := range files[:max(len(files)-1, 0)] {
		if f.compressed || f.until.After(before) {
			continue
		}
		err := compressFile(f.path, l.quit)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // removed meanwhile: too many
			return err
		}
	}
	return nil
}

// compressFile puts path.gz in path's place. At any moment one of them is whole; a crash may leave both.
func compressFile(path string, stop <-chan struct{}) (err error) {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	half := path + halfSuffix
	out, err := os.OpenFile(half, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(half)
		}
	}()
	if err = compressTo(out, in, stop); err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("%s: %w", half, err)
	}
	if err := os.Chtimes(half, time.Time{}, info.ModTime()); err != nil { // the files' order is their lines'
		return err
	}
	if err := os.Rename(half, path+compressedSuffix); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil { // or a power failure may know of the removal alone
		return err
	}
	return os.Remove(path)
}

// compressTo is never in a hurry.
func compressTo(out io.Writer, in io.Reader, stop <-chan struct{}) error {
	z, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return err
	}
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		began := time.Now()
		_, err := io.CopyN(z, in, compressPiece)
		if err == io.EOF {
			return z.Close()
		}
		if err != nil {
			return err
		}
		rest.Reset(compressRest * time.Since(began))
		select {
		case <-rest.C:
		case <-stop:
			return errCompressStopped
		}
	}
}

// rotatedReader reads a rotated file, compressed or not.
type rotatedReader struct {
	io.Reader
	file *os.File
}

func (r *rotatedReader) Close() error { return r.file.Close() }

// openRotated opens a rotated file, also if it was compressed since it was listed.
func openRotated(f rotatedFile) (*rotatedReader, error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) && !f.compressed {
		f.compressed = true
		file, err = os.Open(f.path + compressedSuffix)
	}
	if err != nil {
		return nil, err
	}
	if !f.compressed {
		return &rotatedReader{file, file}, nil
	}
	z, err := gzip.NewReader(file)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	return &rotatedReader{z, file}, nil
}
