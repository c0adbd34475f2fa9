package store

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// failFS fails the store when its log cannot be written. When Pebble cannot change the log for a new
// one it panics where nobody can recover, which would end the process. So that call never comes back
// instead: the store has failed by then, and those who wait for it have been told. (The queue does
// the same for its own store; the two do not know each other.)
type failFS struct {
	vfs.FS
	dir  string // the store's
	fail func(error)
	open *atomic.Bool // errors of Open itself are returned
}

// never fails the store and does not return, once the store is open.
func (f *failFS) never(err error) {
	if err != nil && f.open.Load() {
		f.fail(fmt.Errorf("changing the log: %w", err))
		select {}
	}
}

func (f *failFS) log(name string, file vfs.File, err error) (vfs.File, error) {
	if !strings.HasSuffix(name, ".log") || !f.own(name) {
		return file, err
	}
	f.never(err)
	if err != nil {
		return nil, err
	}
	return &logFile{File: file, fs: f}, nil
}

// own tells whether the file is in the store's folder. A backup is written through here as well, and a disk that has no
// room for it must not fail the store.
func (f *failFS) own(name string) bool {
	return f.FS.PathDir(name) == f.FS.PathDir(f.FS.PathJoin(f.dir, "x"))
}

// Create makes a file; a log that cannot be made fails the store.
func (f *failFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	return f.log(name, file, err)
}

// ReuseForWrite makes a file of an old one; a log that cannot be made fails the store.
func (f *failFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(old, name, c)
	return f.log(name, file, err)
}

// OpenDir opens a folder whose failing Sync fails the store.
func (f *failFS) OpenDir(name string) (vfs.File, error) {
	dir, err := f.FS.OpenDir(name)
	if err != nil || !f.own(f.FS.PathJoin(name, "x")) {
		return dir, err
	}
	return &folder{File: dir, fs: f}, nil
}

// Unwrap returns the file system below.
func (f *failFS) Unwrap() vfs.FS { return f.FS }

type folder struct {
	vfs.File
	fs *failFS
}

// Sync makes the folder's names durable.
func (d *folder) Sync() error {
	err := d.File.Sync()
	d.fs.never(err)
	return err
}

// logFile is a log being written. Its errors fail the store at once, and Close does not return after
// one.
type logFile struct {
	vfs.File
	fs  *failFS
	bad atomic.Pointer[error]
}

func (l *logFile) note(err error) error {
	if err != nil {
		l.bad.Store(&err)
		if l.fs.open.Load() {
			l.fs.fail(fmt.Errorf("writing the log: %w", err))
		}
	}
	return err
}

// Write and the others note an error and return it.
func (l *logFile) Write(b []byte) (int, error) {
	n, err := l.File.Write(b)
	return n, l.note(err)
}
func (l *logFile) Sync() error     { return l.note(l.File.Sync()) }
func (l *logFile) SyncData() error { return l.note(l.File.SyncData()) }
func (l *logFile) SyncTo(n int64) (bool, error) {
	full, err := l.File.SyncTo(n)
	return full, l.note(err)
}

// Stat does not return after an error.
func (l *logFile) Stat() (vfs.FileInfo, error) {
	info, err := l.File.Stat()
	l.fs.never(err)
	return info, err
}

// Close does not return after an error.
func (l *logFile) Close() error {
	err := l.File.Close()
	if bad := l.bad.Load(); bad != nil {
		err = *bad
	}
	l.fs.never(err)
	return err
}
