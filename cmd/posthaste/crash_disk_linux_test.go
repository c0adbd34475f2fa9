package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Less than the reserve is left on the disk of the queue: mail is turned away, what is queued goes out, and
// when there is room again mail is accepted.
func TestDiskFull(t *testing.T) {
	s := newCrashStory(t, `queue.min_free_disk = "16MiB"`)
	data := filepath.Join(s.relay.dir, "data")
	mountSmallDisk(t, data, 64<<20)
	s.load.clean, s.load.to = true, []string{"stuck.test"}
	s.relay.start()
	s.relay.awaitReady()
	s.acceptsAgain()
	s.load.to = []string{"stuck.test"}
	removeBallast := fillDisk(t, data, 8<<20)
	eventually(t, "mail is turned away", func() bool {
		s.load.send(s.relay.addr, 20)
		return s.load.refused(t, "452 4.3.1") > 0
	})
	s.world.open.Store(true)
	eventually(t, "all mail arrives from the full disk", s.ledger.allArrived)
	removeBallast()
	s.acceptsAgain()
	s.relay.drain()
}

// The queue itself fills the disk. When its mail has left, the room is given back without anybody's help.
func TestDiskFullOfMail(t *testing.T) {
	s := newCrashStory(t, `queue.min_free_disk = "16MiB"`)
	mountSmallDisk(t, filepath.Join(s.relay.dir, "data"), 64<<20)
	s.load.clean, s.load.large, s.load.to = true, true, []string{"stuck.test"}
	s.relay.start()
	s.relay.awaitReady()
	eventually(t, "mail is turned away", func() bool {
		s.load.send(s.relay.addr, 50)
		return s.load.refused(t, "452 4.3.1") > 0
	})
	s.world.open.Store(true)
	eventually(t, "all mail arrives from the full disk", s.ledger.allArrived)
	s.load.large = false
	s.acceptsAgain()
	s.relay.drain()
}

// Somebody else fills the disk to the last byte: nothing may be acknowledged that is not stored. The relay
// may end, and then starts again when there is room.
func TestDiskFullToTheLastByte(t *testing.T) {
	s := newCrashStory(t, "")
	data := filepath.Join(s.relay.dir, "data")
	mountSmallDisk(t, data, 40<<20)
	s.load.clean, s.load.large = true, true
	s.load.to = []string{"stuck.test"}
	s.relay.start()
	s.relay.awaitReady()
	s.load.send(s.relay.addr, 20)
	removeBallast := fillDisk(t, data, 0)
	s.load.send(s.relay.addr, 60)
	if s.ledger.accepted() >= 80 {
		t.Error("the disk was not full")
	}
	removeBallast()
	s.load.refused(t, "4")
	s.relay.kill()
	if code := s.relay.awaitExit(); code != -1 && code != exitSoftware {
		t.Errorf("the relay ended by itself with exit code %d", code)
	}
	s.relay.reckon("with a full disk")
	s.runDry()
}

// The disk of the event log is full: mail is accepted, but delivery pauses, because an end that cannot be told
// must not be settled. When there is room it goes on, and every end is told.
func TestEventLogDiskFull(t *testing.T) {
	s := newCrashStory(t, "")
	disk := filepath.Join(s.relay.dir, "log")
	mountSmallDisk(t, disk, 1<<20)
	s.relay.events = filepath.Join(disk, "events.jsonl")
	s.load.clean = true
	s.relay.start()
	s.relay.awaitReady()
	s.load.send(s.relay.addr, 50)
	removeBallast := fillDisk(t, disk, 0)
	s.load.send(s.relay.addr, 100)
	eventually(t, "the relay tells of it", func() bool { return s.relay.count("delivery pauses") > 0 })
	if n := s.ledger.accepted(); n < 150 {
		t.Errorf("%d messages were accepted, not 150", n)
	}
	s.load.refused(t, "no message may be turned away")
	removeBallast()
	s.relay.drain()
}

// mountSmallDisk mounts a disk in memory at dir, of so many bytes.
func mountSmallDisk(t *testing.T, dir string, size int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		t.Skipf("a small disk can be mounted by root only: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fillDisk takes the room on the disk of dir but for what is to be left, until the returned function is called.
func fillDisk(t *testing.T, dir string, leave int64) (remove func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, n := int64(0), 0
	for piece := make([]byte, 64<<10); err == nil; size += int64(n) {
		n, err = f.Write(piece)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Truncate(max(size-leave, 0)); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}
