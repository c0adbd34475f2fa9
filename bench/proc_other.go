//go:build !linux

package bench

import (
	"os"
	"syscall"
)

// Attach does nothing: control groups are Linux's.
func (g *Group) Attach(*syscall.SysProcAttr) {}

func deviceOf(string) (string, bool) { return "", false }

// blocksOf is the size of one file, in units of 512 bytes.
func blocksOf(path string) int64 {
	fi, err := os.Lstat(path)
	if err != nil {
		return 0
	}
	return (fi.Size() + 511) / 512
}

func datasync(f *os.File) error { return f.Sync() }
