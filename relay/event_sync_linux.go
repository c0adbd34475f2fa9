package relay

import (
	"os"
	"syscall"
)

// datasync is fdatasync(2): unlike fsync it does not wait for time stamps.
func datasync(f *os.File) error {
	for {
		switch err := syscall.Fdatasync(int(f.Fd())); err {
		case nil:
			return nil
		case syscall.EINTR:
		default:
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}
