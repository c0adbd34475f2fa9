package queue

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/posthaste-mta/posthaste/message"
)

func putEnded(t *testing.T, q *Queue, suppressed int64, note string, to ...string) message.ID {
	t.Helper()
	ended := Ended{Note: []byte(note)}
	ended.Results[message.Suppressed] = suppressed
	env := &message.Envelope{Sender: "s@example.org"}
	if _, err := q.PutEnded(context.Background(), env, rcpts(to...), []byte("hello\r\n"), ended); err != nil {
		t.Fatal(err)
	}
	return env.ID
}

// Recipients that end as they are accepted are in the audit as both, and nothing of them is queued.
func TestPutEnded(t *testing.T) {
	q := openTest(t, Options{})
	whole := putEnded(t, q, 3, "all")
	part := putEnded(t, q, 2, "some", "a@one.test", "b@two.test")
	if whole == 0 || part <= whole {
		t.Errorf("ids %v, %v", whole, part)
	}
	a, err := q.Audit(context.Background())
	if err != nil || a.Accepted != 7 || a.Ended[message.Suppressed] != 5 || a.Queued != 2 || a.Unaccounted() != 0 {
		t.Errorf("%+v, %v", a, err)
	}
	for range 2 {
		if l := nextLease(t, q); l.Envelope.ID != part {
			t.Errorf("leased %v", l.Envelope.ID)
		} else if err := q.Settle(context.Background(), []Settlement{all(l, message.Delivered)}); err != nil {
			t.Fatal(err)
		}
	}
	if m := q.Metrics(); queued(t, q) != 0 || m.Bytes != 0 {
		t.Errorf("left: %+v", m)
	}
	var bad Ended
	bad.Results[message.Deferred] = 1
	if _, err := q.PutEnded(context.Background(), &message.Envelope{}, nil, nil, bad); err == nil {
		t.Error("a recipient that is neither queued nor ended")
	}
}

// Wherever the power fails, a recipient that ended is accepted, counted and noted, or none of these.
func TestCrashAroundPutEnded(t *testing.T) {
	disk := vfs.NewCrashableMem()
	var crashes []*vfs.MemFS
	var armed atomic.Bool
	q := crashAt(t, disk, func(op errorfs.Op) error {
		if armed.Load() && (isLogWrite(op) || isLogSync(op)) {
			crashes = append(crashes, powerLoss(disk))
		}
		return nil
	})
	armed.Store(true)
	putEnded(t, q, 1, "told", "a@one.test")
	armed.Store(false)
	crashes = append(crashes, powerLoss(disk))
	for i, d := range crashes {
		q := openTest(t, Options{FS: d})
		a, err := q.Audit(context.Background())
		if err != nil || a.Unaccounted() != 0 {
			t.Errorf("crash %d: %+v, %v", i, a, err)
		}
		want := int64(0)
		if notesLeft(t, q) == "told" {
			want = 1
		}
		if a.Accepted != 2*want || a.Ended[message.Suppressed] != want || a.Queued != want {
			t.Errorf("crash %d of %d: %d noted, but %+v", i, len(crashes), want, a)
		}
	}
	if q := openTest(t, Options{FS: powerLoss(disk)}); queued(t, q) != 1 {
		t.Error("lost")
	}
}

// Mail can be held from the start: it is there, also after a restart, and nobody leases it until it is resumed.
func TestPutHeld(t *testing.T) {
	fs := vfs.NewMem()
	q := openTest(t, Options{FS: fs})
	ctx := context.Background()
	env := &message.Envelope{Sender: "s@example.org"}
	if _, err := q.PutEnded(ctx, env, rcpts("a@one.test", "b@two.test"), []byte("hello\r\n"), Ended{Held: true}); err != nil {
		t.Fatal(err)
	}
	check := func(step string, queued, held int64) {
		t.Helper()
		if a, err := q.Audit(ctx); err != nil || a.Accepted != 2 || a.Queued != queued || a.Held != held || a.Unaccounted() != 0 {
			t.Errorf("%s: %+v, %v", step, a, err)
		}
	}
	check("put", 2, 2)
	if l, err := q.Lease("one.test"); l != nil || err != nil {
		t.Errorf("leased %+v, %v", l, err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = openTest(t, Options{FS: fs})
	check("restart", 2, 2)
	if n, err := q.Resume(ctx, Filter{}, nil); err != nil || n.Recipients != 2 {
		t.Errorf("resumed %+v, %v", n, err)
	}
	for range 2 {
		l := nextLease(t, q)
		if content, err := l.Content(); err != nil || string(content) != "hello\r\n" {
			t.Errorf("content %q, %v", content, err)
		}
		if err := q.Settle(ctx, []Settlement{all(l, message.Delivered)}); err != nil {
			t.Fatal(err)
		}
	}
	check("end", 0, 0)
}
