package bench

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Attach makes a command that is about to start a member, with all that it will start.
func (g *Group) Attach(attr *syscall.SysProcAttr) {
	if g.dir != nil {
		attr.UseCgroupFD = true
		attr.CgroupFD = int(g.dir.Fd())
	}
}

// deviceOf is the block device of a path's file system as "major:minor".
func deviceOf(path string) (string, bool) {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return "", false
	}
	return fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)), true
}

// blocksOf is the disk space of one file, in units of 512 bytes.
func blocksOf(path string) int64 {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil {
		return 0
	}
	return st.Blocks
}

func datasync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
