package queue

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// failFS fails the store when the log cannot be written. Pebble reports most of such errors, but
// when the log is changed for a new one it panics in a state that cannot be recovered from, which
// would end the process in the middle of everything. So that call never comes back instead: the
// store has failed by then, and those who wait for it have been told.
type failFS struct {
	vfs.FS
	dir  string // the store's
	fail func(error)
	open *atomic.Bool // errors of Open itself are returned
	// spare becomes the next new log, if there is one; nil while the store is being made.
	spare *spare
}

// isLog tells whether the file is a log of the store. A backup is written through here as well, and a disk that has no room
// for it must not fail the store.
func (f *failFS) isLog(name string) bool { return strings.HasSuffix(name, ".log") && f.own(name) }

func (f *failFS) own(name string) bool {
	return f.FS.PathDir(name) == f.FS.PathDir(f.FS.PathJoin(f.dir, "x"))
}

// never fails the store and does not return.
func (f *failFS) never(err error) {
	f.fail(fmt.Errorf("changing the log: %w", err))
	select {}
}

func (f *failFS) log(file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		if f.open.Load() {
			f.never(err)
		}
		return nil, err
	}
	return &logFile{File: file, fs: f}, nil
}

// Create makes a file; a log that cannot be made fails the store.
func (f *failFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if !f.isLog(name) {
		return f.FS.Create(name, c)
	}
	if f.spare != nil {
		if file, ok := f.spare.take(name, c); ok {
			return f.log(file, nil)
		}
	}
	return f.log(f.FS.Create(name, c))
}

// ReuseForWrite makes a file of an old one; a log that cannot be made fails the store.
func (f *failFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(old, name, c)
	if f.isLog(name) {
		return f.log(file, err)
	}
	return file, err
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
	if err != nil && d.fs.open.Load() {
		d.fs.never(err)
	}
	return err
}

// logFile is a log being written. Its errors are reported as they are, and Close does not return
// after one.
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
func (l *logFile) Stat() (vfs.FileInfo, error) {
	info, err := l.File.Stat()
	if err != nil && l.fs.open.Load() {
		l.fs.never(err)
	}
	return info, err
}
func (l *logFile) SyncTo(n int64) (bool, error) {
	full, err := l.File.SyncTo(n)
	return full, l.note(err)
}

// Close does not return after an error.
func (l *logFile) Close() error {
	err := l.File.Close()
	if bad := l.bad.Load(); bad != nil {
		err = *bad
	}
	if err != nil && l.fs.open.Load() {
		l.fs.never(err)
	}
	return err
}
