package queue

import (
	"context"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/posthaste-mta/posthaste/message"
)

// The log of a new store is the spare, and so is that of a store opened again when one was left.
func TestLogsBeginAsTheSpare(t *testing.T) {
	const size = 100_000
	disk := vfs.NewCrashableMem()
	for range 3 {
		q := openTest(t, Options{FS: disk, spareLog: size})
		putTest(t, q, "hello\r\n", "a@one.test")
		if got := logSizes(t, disk); len(got) != 1 || got[0] != size {
			t.Errorf("logs of %v bytes", got)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		if err := newSpare(disk, "queue", size, func(int64) bool { return true }).make(func() bool { return true }); err != nil {
			t.Fatal(err)
		}
	}
}

func logSizes(t *testing.T, fs vfs.FS) (sizes []int64) {
	t.Helper()
	names, err := fs.List("queue")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".log") {
			info, err := fs.Stat(fs.PathJoin("queue", name))
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, info.Size())
		}
	}
	return sizes
}

// What was acknowledged is found behind a power failure although zeros follow it in the log.
func TestMailInASpareLogSurvivesPowerLoss(t *testing.T) {
	disk := vfs.NewCrashableMem()
	q := openTest(t, Options{FS: disk, spareLog: 1 << 20})
	for n := int64(1); n <= 20; n++ {
		putTest(t, q, strings.Repeat("x", int(n*997)%30_000)+"\r\n", "a@one.test")
		after := openTest(t, Options{FS: powerLoss(disk), spareLog: 1 << 20})
		if got := queued(t, after); got != n {
			t.Fatalf("%d of %d messages after a power failure", got, n)
		}
	}
}

// A disk that is nearly full has better uses than a spare.
func TestNoSpareWithoutRoom(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := newSpare(disk, "", 1000, func(bytes int64) bool { return bytes < 2000 })
	if err := s.make(func() bool { return true }); err != nil || s.ready.Load() {
		t.Errorf("a spare of a disk without room: ready %v, %v", s.ready.Load(), err)
	}
}

// A spare that cannot be written changes nothing but the speed.
func TestNoSpareIsNoError(t *testing.T) {
	disk := vfs.NewCrashableMem()
	q := openTest(t, Options{spareLog: 1 << 20, FS: errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.Contains(op.Path, "spare") {
			return errorfs.ErrInjected
		}
		return nil
	}))})
	putTest(t, q, "hello\r\n", "a@one.test")
	if n := queued(t, q); n != 1 {
		t.Errorf("%d queued", n)
	}
	if names, _ := disk.List("queue"); strings.Contains(strings.Join(names, " "), "spare") {
		t.Errorf("left: %v", names)
	}
}

// BenchmarkPutAlone is one client that waits for each Put, on the real disk: with the spare log, and as it would be
// without.
func BenchmarkPutAlone(b *testing.B) {
	for name, size := range map[string]int64{"spare": 0, "growing": -1} {
		b.Run(name, func(b *testing.B) {
			q, err := Open(Options{Dir: b.TempDir(), MinFreeDisk: -1, spareLog: size})
			if err != nil {
				b.Fatal(err)
			}
			defer q.Close()
			content := []byte(strings.Repeat("x", 4096))
			for b.Loop() {
				env := &message.Envelope{Sender: "s@example.org", Size: int64(len(content))}
				if _, err := q.Put(context.Background(), env, rcpts("a@one.test"), content); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
