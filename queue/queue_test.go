package queue

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/posthaste-mta/posthaste/message"
)

// testTime is a clock that moves when told to.
type testTime struct{ us atomic.Int64 }

func newTestTime() *testTime {
	c := new(testTime)
	c.us.Store(1_800_000_000_000_000)
	return c
}

func (c *testTime) now() time.Time       { return fromMicros(c.us.Load()) }
func (c *testTime) pass(d time.Duration) { c.us.Add(d.Microseconds()) }

func openTest(t testing.TB, o Options) *Queue {
	t.Helper()
	if o.FS == nil && o.Dir == "" {
		o.FS = vfs.NewMem()
	}
	if o.Dir == "" {
		o.Dir = "queue"
	}
	if o.Memory == 0 {
		o.Memory = minMemory
	}
	q, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func rcpts(addresses ...string) []message.Recipient {
	var r []message.Recipient
	for _, a := range addresses {
		r = append(r, message.Recipient{Address: a, Domain: a[strings.LastIndexByte(a, '@')+1:]})
	}
	return r
}

func putTest(t testing.TB, q *Queue, content string, to ...string) message.ID {
	t.Helper()
	id, err := q.Put(context.Background(), &message.Envelope{Sender: "s@example.org"}, rcpts(to...), []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// nextLease waits for a ready domain and leases from it.
func nextLease(t testing.TB, q *Queue) *Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		d, err := q.NextReady(ctx)
		if err != nil {
			t.Fatalf("nothing became ready: %v", err)
		}
		l, err := q.Lease(d)
		if err != nil {
			t.Fatal(err)
		}
		if l != nil {
			return l
		}
	}
}

func settleTest(t testing.TB, q *Queue, l *Lease, r message.Result) {
	t.Helper()
	if err := q.Settle(context.Background(), []Settlement{all(l, r)}); err != nil {
		t.Fatal(err)
	}
}

// all makes a settlement with the same result for each recipient.
func all(l *Lease, r message.Result) Settlement {
	s := Settlement{Lease: l, Attempted: true}
	for range l.Recipients {
		s.Results = append(s.Results, r)
		s.Statuses = append(s.Statuses, message.Status{Code: 250, Remote: true})
	}
	return s
}

func TestPutLeaseSettle(t *testing.T) {
	q := openTest(t, Options{})
	id := putTest(t, q, "hello\r\n", "a@one.test", "b@one.test", "c@two.test")
	got := map[string]int{}
	for range 2 {
		l := nextLease(t, q)
		if l.Envelope.ID != id || l.Envelope.Sender != "s@example.org" {
			t.Fatalf("envelope %+v", l.Envelope)
		}
		content, err := l.Content()
		if err != nil || string(content) != "hello\r\n" {
			t.Fatalf("content %q, %v", content, err)
		}
		got[l.Domain] = len(l.Recipients)
		settleTest(t, q, l, message.Delivered)
		if l, err := q.Lease(l.Domain); l != nil || err != nil {
			t.Fatalf("leased again: %v, %v", l, err)
		}
	}
	if got["one.test"] != 2 || got["two.test"] != 1 {
		t.Fatalf("leased %v", got)
	}
	if c := q.gauge.all; c.queued != 0 || c.messages != 0 || c.bytes != 0 || c.ended[message.Delivered] != 3 {
		t.Fatalf("counters %+v", c)
	}
}

func TestRestartFindsWhatIsQueued(t *testing.T) {
	fs := vfs.NewMem()
	q := openTest(t, Options{FS: fs})
	id := putTest(t, q, "hello\r\n", "a@one.test", "c@two.test")
	l := nextLease(t, q) // is out when the queue ends
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q.Release(l)

	q = openTest(t, Options{FS: fs})
	for range 2 {
		l := nextLease(t, q)
		content, err := l.Content()
		if err != nil || l.Envelope.ID != id || string(content) != "hello\r\n" {
			t.Fatalf("content %q, %v", content, err)
		}
		settleTest(t, q, l, message.Delivered)
	}
	if newer := q.NewID(); newer <= id {
		t.Errorf("ids went back: %v after %v", newer, id)
	}
}
