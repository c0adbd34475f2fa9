package queue

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/posthaste-mta/posthaste/message"
)

// smallDisk says how much of it is free.
type smallDisk struct {
	vfs.FS
	free atomic.Uint64
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free.Load()}, nil
}

func (d *smallDisk) Unwrap() vfs.FS { return d.FS }

// Below the reserve new mail is turned away, what is queued goes on, and mail is taken again once
// there is room.
func TestDiskBelowTheReserve(t *testing.T) {
	disk := &smallDisk{FS: vfs.NewMem()}
	disk.free.Store(2000)
	clock := newTestTime()
	q := openTest(t, Options{FS: disk, MinFreeDisk: 1000, Now: clock.now})
	putTest(t, q, "hello\r\n", "a@one.test")

	disk.free.Store(999)
	clock.pass(time.Second)
	_, err := q.Put(context.Background(), &message.Envelope{}, rcpts("b@one.test"), nil)
	var full *FullError
	if !errors.Is(err, ErrFull) || !errors.As(err, &full) || full.What != "disk" || full.Have != 999 {
		t.Fatalf("Put returned %v", err)
	}
	settleTest(t, q, nextLease(t, q), message.Delivered)

	disk.free.Store(1000)
	clock.pass(time.Second)
	putTest(t, q, "hello\r\n", "b@one.test")
}

// Background work that finds the disk full turns mail away for a while, before writes would hang.
func TestDiskFullInTheBackground(t *testing.T) {
	clock := newTestTime()
	q := openTest(t, Options{Now: clock.now, MinFreeDisk: -1})
	q.store.trouble(syscall.EIO)
	putTest(t, q, "hello\r\n", "a@one.test")
	q.store.trouble(syscall.ENOSPC)
	if _, err := q.Put(context.Background(), &message.Envelope{}, rcpts("b@one.test"), nil); !errors.Is(err, ErrFull) {
		t.Fatalf("Put returned %v", err)
	}
	clock.pass(time.Minute)
	putTest(t, q, "hello\r\n", "b@one.test")
}

func TestLimitsOfTheQueue(t *testing.T) {
	q := openTest(t, Options{MaxMessages: 2})
	putTest(t, q, "one\r\n", "a@one.test")
	putTest(t, q, "two\r\n", "a@one.test")
	_, err := q.Put(context.Background(), &message.Envelope{}, rcpts("b@one.test"), nil)
	if !errors.Is(err, ErrFull) {
		t.Fatalf("third message: %v", err)
	}
	settleTest(t, q, nextLease(t, q), message.Delivered)
	putTest(t, q, "three\r\n", "a@one.test")

	q = openTest(t, Options{MaxBytes: 5})
	putTest(t, q, "five\r", "a@one.test")
	if _, err := q.Put(context.Background(), &message.Envelope{}, rcpts("b@one.test"), nil); !errors.Is(err, ErrFull) {
		t.Fatalf("above the bytes: %v", err)
	}
}
