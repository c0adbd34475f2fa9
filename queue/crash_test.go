package queue

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/posthaste-mta/posthaste/message"
)

// powerLoss returns the disk as it is if everything not synced is lost now.
func powerLoss(disk *vfs.MemFS) *vfs.MemFS { return disk.CrashClone(vfs.CrashCloneCfg{}) }

// queued tells how many recipients are queued.
func queued(t *testing.T, q *Queue) int64 {
	t.Helper()
	a, err := q.Audit(context.Background())
	if err != nil || a.Unaccounted() != 0 || a.Expected != a.Queued {
		t.Fatalf("audit %+v, %v", a, err)
	}
	return a.Queued
}

// crashAt opens a queue on a disk that calls hook before each operation that changes it.
func crashAt(t *testing.T, disk *vfs.MemFS, hook func(errorfs.Op) error) *Queue {
	t.Helper()
	return openTest(t, Options{FS: errorfs.Wrap(disk, errorfs.InjectorFunc(hook))})
}

func isLogWrite(op errorfs.Op) bool {
	return strings.HasSuffix(op.Path, ".log") && op.Kind == errorfs.OpFileWrite
}

func isLogSync(op errorfs.Op) bool {
	return strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData)
}

// Crash points 1 and 2: content and envelope are one batch, and before its sync nothing is kept.
func TestCrashBeforeTheSyncKeepsNothing(t *testing.T) {
	disk := vfs.NewCrashableMem()
	var crashed atomic.Pointer[vfs.MemFS]
	var armed atomic.Bool
	q := crashAt(t, disk, func(op errorfs.Op) error {
		if isLogSync(op) && armed.CompareAndSwap(true, false) {
			crashed.Store(powerLoss(disk))
		}
		return nil
	})
	armed.Store(true)
	putTest(t, q, "hello\r\n", "a@one.test", "b@two.test")
	if n := queued(t, openTest(t, Options{FS: crashed.Load()})); n != 0 {
		t.Errorf("%d recipients of a message that was never synced", n)
	}
}

// Crash points 3 and 4, power loss too: a sync lies between the content and the acknowledgement, and
// what was acknowledged is there, whole.
func TestAcknowledgedMailSurvivesPowerLoss(t *testing.T) {
	disk := vfs.NewCrashableMem()
	var syncs atomic.Int64
	q := crashAt(t, disk, func(op errorfs.Op) error {
		if isLogSync(op) {
			syncs.Add(1)
		}
		return nil
	})
	before := syncs.Load()
	id := putTest(t, q, "hello\r\n", "a@one.test")
	if syncs.Load() == before {
		t.Error("acknowledged without a sync")
	}
	q = openTest(t, Options{FS: powerLoss(disk)})
	l := nextLease(t, q)
	content, err := l.Content()
	if err != nil || string(content) != "hello\r\n" || l.Envelope.ID != id || l.Envelope.Sender != "s@example.org" {
		t.Errorf("%q %+v %v", content, l.Envelope, err)
	}
}

// Crash points 5 and 6: in delivery, or delivered and not yet settled: tried again.
func TestCrashInDeliveryTriesAgain(t *testing.T) {
	disk := vfs.NewCrashableMem()
	q := openTest(t, Options{FS: disk})
	id := putTest(t, q, "hello\r\n", "a@one.test")
	nextLease(t, q)
	q = openTest(t, Options{FS: powerLoss(disk)})
	if l := nextLease(t, q); l.Envelope.ID != id || l.Attempts != 0 {
		t.Errorf("leased %+v after %d attempts", l.Envelope, l.Attempts)
	}
}

// Crash point 7: what has its end stays ended, and nothing of it is left.
func TestCrashAfterTheEndSendsNothingAgain(t *testing.T) {
	disk := vfs.NewCrashableMem()
	q := openTest(t, Options{FS: disk})
	putTest(t, q, "hello\r\n", "a@one.test", "b@two.test")
	settleTest(t, q, nextLease(t, q), message.Delivered)
	settleTest(t, q, nextLease(t, q), message.Bounced)
	after := powerLoss(disk)
	if n := queued(t, openTest(t, Options{FS: after})); n != 0 {
		t.Errorf("%d recipients after their end", n)
	}
	report, err := verify(context.Background(), powerLoss(after), "queue")
	if err != nil || report.ProblemCount > 0 || report.Messages > 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// Crash point 8: the bounce and the end of what bounced are one batch.
func TestCrashAroundABounce(t *testing.T) {
	disk := vfs.NewCrashableMem()
	var crashes []*vfs.MemFS // one at each operation of the settlement
	var armed atomic.Bool
	q := crashAt(t, disk, func(op errorfs.Op) error {
		if armed.Load() && (isLogWrite(op) || isLogSync(op)) {
			crashes = append(crashes, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))}), powerLoss(disk))
		}
		return nil
	})
	original := putTest(t, q, "hello\r\n", "a@one.test")
	s := all(nextLease(t, q), message.Bounced)
	s.Reports = []NewMessage{{&message.Envelope{}, rcpts("s@example.org"), []byte("it failed\r\n")}}
	armed.Store(true)
	if err := q.Settle(context.Background(), []Settlement{s}); err != nil {
		t.Fatal(err)
	}
	armed.Store(false)
	crashes = append(crashes, powerLoss(disk))
	for i, d := range crashes {
		q := openTest(t, Options{FS: d})
		if n := queued(t, q); n != 1 {
			t.Errorf("crash %d: %d recipients, want the original's or the bounce's", i, n)
		}
		l := nextLease(t, q)
		if bounced := l.Envelope.ID != original; bounced != (l.Envelope.Sender == "") {
			t.Errorf("crash %d: %+v", i, l.Envelope)
		}
		if last := i == len(crashes)-1; last && l.Envelope.ID == original {
			t.Error("the settlement was acknowledged and lost")
		}
	}
}

// Crash point 10: a crash during recovery changes nothing.
func TestCrashDuringRecovery(t *testing.T) {
	disk := vfs.NewCrashableMem()
	q := openTest(t, Options{FS: disk})
	for range 20 {
		putTest(t, q, strings.Repeat("hello\r\n", 1000), "a@one.test", "b@two.test")
	}
	crashed := powerLoss(disk)
	for i := 0; ; i++ { // crash at the i-th operation of the recovery, and recover from that
		var left atomic.Int64
		left.Store(int64(i))
		var again atomic.Pointer[vfs.MemFS]
		below := powerLoss(crashed)
		hook := func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && left.Add(-1) == -1 {
				again.Store(powerLoss(below))
			}
			return nil
		}
		if err := crashAt(t, below, hook).Close(); err != nil {
			t.Fatal(err)
		}
		if again.Load() == nil {
			break // it had fewer operations
		}
		q := openTest(t, Options{FS: again.Load()})
		if n := queued(t, q); n != 40 {
			t.Fatalf("crash at operation %d of the recovery: %d recipients of 40", i, n)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A sync that fails acknowledges nothing, then or later; the queue says so and nothing hangs.
func TestFailedSyncAcknowledgesNothing(t *testing.T) {
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
		for _, at := range []func(errorfs.Op) bool{isLogSync, isLogWrite} {
			disk := vfs.NewCrashableMem()
			var armed atomic.Bool
			q := crashAt(t, disk, func(op errorfs.Op) error {
				if armed.Load() && at(op) {
					return cause
				}
				return nil
			})
			putTest(t, q, "safe\r\n", "a@one.test")
			l := nextLease(t, q)
			armed.Store(true)
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			_, err := q.Put(ctx, &message.Envelope{}, rcpts("b@one.test"), []byte("lost\r\n"))
			if !errors.Is(err, ErrFailed) {
				t.Errorf("Put returned %v", err)
			}
			<-q.Failed()
			if err := q.Settle(ctx, []Settlement{all(l, message.Delivered)}); !errors.Is(err, ErrFailed) {
				t.Errorf("Settle returned %v", err)
			}
			if _, err := q.NextReady(ctx); !errors.Is(err, ErrFailed) {
				t.Errorf("NextReady returned %v", err)
			}
			if _, err := q.Lease("one.test"); !errors.Is(err, ErrFailed) {
				t.Errorf("Lease returned %v", err)
			}
			if err := q.Close(); err != nil {
				t.Errorf("Close returned %v", err)
			}
			cancel()
			if n := queued(t, openTest(t, Options{FS: powerLoss(disk)})); n != 1 {
				t.Errorf("%d recipients, want the one acknowledged", n)
			}
		}
	}
}
