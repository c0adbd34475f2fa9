package relay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"time"
)

// maxEventLine bounds a line that is read: more than the longest that is ever written.
const maxEventLine = 512 << 10

// ReadOptions says which events are wanted.
type ReadOptions struct {
	// Since leaves out rotated files that end before it; earlier events of the other files
	// are still returned. Zero means all.
	Since time.Time
	// Contains leaves out lines without these bytes before they are parsed; "" means none.
	Contains string
}

// BadLineError is a line that could not be read; reading goes on behind it.
type BadLineError struct {
	File string
	Line int
	Err  error
}

// Error says which line of which file.
func (e *BadLineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap returns what is wrong with the line.
func (e *BadLineError) Unwrap() error { return e.Err }

// ReadEvents returns the events of the log at path (FormatJSON) in the order they were written,
// those of the rotated files first. It may run beside the writer: it sees what was flushed before
// it came to the end. A line that cannot be read is returned as a *BadLineError and passed over;
// any other error ends the reading.
func ReadEvents(ctx context.Context, path string, opt ReadOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if err := readEvents(ctx, path, opt, yield); err != nil && err != errStopReading {
			yield(Event{}, err)
		}
	}
}

// errStopReading is returned within when the caller wants no more.
var errStopReading = errors.New("stop reading")

func readEvents(ctx context.Context, path string, opt ReadOptions, yield func(Event, error) bool) error {
	// The newest file is opened before the others are listed: if it is rotated in between, it
	// is in the list too and left out there. The other way round its lines could be missed.
	newest, err := os.Open(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if newest != nil {
		defer newest.Close()
	}
	rotated, err := rotatedEventFiles(path)
	if err != nil {
		return err
	}
	if newest == nil && len(rotated) == 0 {
		return &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	for _, r := range rotated {
		if r.until.Before(opt.Since) {
			continue
		}
		if err := readRotated(ctx, r, newest, opt, yield); err != nil {
			return err
		}
	}
	if newest == nil {
		return nil
	}
	return readEventFile(ctx, newest, path, opt, yield)
}

func readRotated(ctx context.Context, r rotatedFile, newest *os.File, opt ReadOptions, yield func(Event, error) bool) error {
	f, err := openRotated(r)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed since it was listed
	}
	if err != nil && r.compressed {
		return passOver(r.path, err, yield)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if newest != nil && sameFile(f.file, newest) {
		return nil
	}
	err = readEventFile(ctx, f, f.file.Name(), opt, yield)
	if err != nil && err != errStopReading && ctx.Err() == nil && f.Reader != f.file {
		return passOver(f.file.Name(), err, yield)
	}
	return err
}

// passOver tells of a compressed file that is damaged from here on.
func passOver(file string, err error, yield func(Event, error) bool) error {
	if !yield(Event{}, &BadLineError{file, 0, err}) {
		return errStopReading
	}
	return nil
}

func sameFile(a, b *os.File) bool {
	ai, aerr := a.Stat()
	bi, berr := b.Stat()
	return aerr == nil && berr == nil && os.SameFile(ai, bi)
}

func readEventFile(ctx context.Context, r io.Reader, name string, opt ReadOptions, yield func(Event, error) bool) error {
	lines := bufio.NewReaderSize(r, maxEventLine)
	contains := []byte(opt.Contains)
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := lines.ReadSlice('\n')
		switch {
		case err == io.EOF:
			return nil // a line without its end is just being written
		case err == bufio.ErrBufferFull:
			if err := skipLine(lines); err != nil && err != io.EOF {
				return err
			}
			if !yield(Event{}, &BadLineError{name, n, errors.New("line too long")}) {
				return errStopReading
			}
			continue
		case err != nil:
			return err
		}
		if len(line) == 1 || !bytes.Contains(line, contains) {
			continue
		}
		event, err := ParseEvent(line)
		if err != nil {
			err = &BadLineError{name, n, err}
		}
		if !yield(event, err) {
			return errStopReading
		}
	}
}

func skipLine(r *bufio.Reader) error {
	for {
		if _, err := r.ReadSlice('\n'); err != bufio.ErrBufferFull {
			return err
		}
	}
}
