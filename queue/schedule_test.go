package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/posthaste-mta/posthaste/message"
)

// Classes and tenants take turns by weight: a newsletter delays a password reset by one turn, not by
// its length, and is not starved by others.
func TestFairShares(t *testing.T) {
	q := openTest(t, Options{Weights: [message.NumClasses]int{message.ClassNormal: 2, message.ClassTransactional: 4, message.ClassBulk: 1}})
	put := func(n int, tenant string, class message.Class) {
		for range n {
			env := &message.Envelope{Tenant: tenant, Class: class}
			if _, err := q.Put(context.Background(), env, rcpts("a@one.test"), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(50, "", message.ClassBulk)
	put(20, "acme", message.ClassNormal)
	put(20, "umbrella", message.ClassNormal)
	put(20, "", message.ClassTransactional)
	got := map[string]int{}
	for range 4 * (1 + 2 + 4) {
		l, err := q.Lease("one.test")
		if l == nil || err != nil {
			t.Fatal(l, err)
		}
		got[fmt.Sprint(l.Envelope.Tenant, l.Envelope.Class)]++
	}
	want := map[string]int{"bulk": 4, "acmenormal": 4, "umbrellanormal": 4, "transactional": 16}
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%s got %d of 28, want %d: %v", k, got[k], n, got)
		}
	}
}

// However many tenants send newsletters, a password reset waits for none of them.
func TestUrgentMailDoesNotWaitInLine(t *testing.T) {
	q := openTest(t, Options{})
	put := func(tenant string, class message.Class) {
		env := &message.Envelope{Tenant: tenant, Class: class}
		if _, err := q.Put(context.Background(), env, rcpts("a@one.test"), nil); err != nil {
			t.Fatal(err)
		}
	}
	for tenant := range 50 {
		put(fmt.Sprint("t", tenant), message.ClassBulk)
		put(fmt.Sprint("t", tenant), message.ClassBulk)
	}
	for range 30 { // some have gone already
		if _, err := q.Lease("one.test"); err != nil {
			t.Fatal(err)
		}
	}
	put("", message.ClassTransactional)
	l, err := q.Lease("one.test")
	if err != nil || l == nil || l.Envelope.Class != message.ClassTransactional {
		t.Errorf("next was %+v, %v", l, err)
	}
}

// Many callers at once: each group is leased once, none is forgotten, whatever is in windows or on
// disk only.
func TestNoWakeUpIsLost(t *testing.T) {
	q := openTest(t, Options{})
	q.sched.mu.Lock()
	q.sched.windowCount, q.sched.refillCount = 3, 2
	q.sched.mu.Unlock()
	const messages = 400
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var mu sync.Mutex
	tries := map[message.ID]int{}
	left := messages
	var lanes, senders sync.WaitGroup
	for range 4 {
		lanes.Go(func() {
			for {
				domain, err := q.NextReady(ctx)
				if err != nil {
					return
				}
				for {
					l, err := q.Lease(domain)
					if err != nil || l == nil {
						break
					}
					s := all(l, message.Delivered)
					mu.Lock()
					last := false
					if tries[l.Envelope.ID]++; tries[l.Envelope.ID] == 1 && l.Envelope.ID%3 == 0 {
						s = all(l, message.Deferred)
						s.NextDue = q.Now().Add(time.Millisecond)
					} else {
						left--
						last = left == 0
					}
					mu.Unlock()
					if err := q.Settle(context.Background(), []Settlement{s}); err != nil {
						t.Error(err)
					}
					if last {
						cancel()
					}
				}
			}
		})
	}
	for i := range 4 {
		senders.Go(func() {
			for j := range messages / 4 {
				putTest(t, q, "hello\r\n", fmt.Sprintf("a@d%d.test", (i+j)%3))
			}
		})
	}
	senders.Wait()
	lanes.Wait()
	if left != 0 {
		t.Errorf("%d messages were never leased", left)
	}
	for id, n := range tries {
		if want := 1 + b2i(id%3 == 0); n != want {
			t.Errorf("%v was leased %d times, want %d", id, n, want)
		}
	}
	if n := queued(t, q); n != 0 {
		t.Errorf("%d queued", n)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Memory is bounded: mail that is not due takes none but its flow's, windows and contents have
// limits, and what has left is forgotten.
func TestMemoryIsBounded(t *testing.T) {
	clock := newTestTime()
	q := openTest(t, Options{Now: clock.now})
	q.sched.mu.Lock()
	q.sched.windowLimit, q.sched.cache.limit = 20_000, 5000
	q.sched.mu.Unlock()
	content := make([]byte, 1000)
	for i := range 300 {
		putTest(t, q, string(content), fmt.Sprintf("a@d%d.test", i%3))
	}
	m := q.Metrics()
	if m.WindowBytes > 20_000+1000 || m.ContentBytes > 5000 {
		t.Errorf("windows have %d bytes, contents %d", m.WindowBytes, m.ContentBytes)
	}
	for i := range 3 {
		for {
			l, err := q.Lease(fmt.Sprintf("d%d.test", i))
			if err != nil {
				t.Fatal(err)
			}
			if l == nil {
				break
			}
			s := all(l, message.Deferred)
			s.NextDue = clock.now().Add(time.Hour)
			if err := q.Settle(context.Background(), []Settlement{s}); err != nil {
				t.Fatal(err)
			}
		}
	}
	m = q.Metrics()
	if m.WindowBytes != 0 || m.ContentBytes != 0 || m.Flows != 3 || m.Recipients[Waiting] != 300 {
		t.Errorf("all deferred: %+v", m)
	}
	clock.pass(2 * time.Hour)
	for i := range 3 {
		for {
			l, err := q.Lease(fmt.Sprintf("d%d.test", i))
			if err != nil {
				t.Fatal(err)
			}
			if l == nil {
				break
			}
			settleTest(t, q, l, message.Delivered)
		}
	}
	q.sched.signal()
	if m = q.Metrics(); m.WindowBytes != 0 || m.Flows != 0 || m.Messages != 0 || m.OldestAge != 0 {
		t.Errorf("all delivered: %+v", m)
	}
}

// The clock set forward or back changes no order and loses nothing.
func TestClockSetBackKeepsDelivering(t *testing.T) {
	clock := newTestTime()
	q := openTest(t, Options{Now: clock.now})
	putTest(t, q, "one\r\n", "a@one.test")
	clock.pass(-24 * time.Hour)
	if l, err := q.Lease("one.test"); l != nil || err != nil {
		t.Fatalf("leased %v, %v", l, err)
	}
	putTest(t, q, "two\r\n", "a@one.test")
	if l, err := q.Lease("one.test"); l == nil || err != nil {
		t.Fatalf("leased %v, %v", l, err)
	}
	clock.pass(24 * time.Hour)
	if l, err := q.Lease("one.test"); l == nil || err != nil {
		t.Fatalf("leased %v, %v", l, err)
	}
}

// Close ends those who wait, and every goroutine of the queue.
func TestCloseEndsEverything(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	q, err := Open(Options{Dir: "queue", FS: vfs.NewMem(), Memory: minMemory})
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error)
	go func() {
		_, err := q.NextReady(context.Background())
		waiting <- err
	}()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; !errors.Is(err, ErrClosed) {
		t.Errorf("NextReady returned %v", err)
	}
	if _, err := q.Put(context.Background(), &message.Envelope{}, rcpts("a@one.test"), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Put returned %v", err)
	}
	if _, err := q.Lease("one.test"); !errors.Is(err, ErrClosed) {
		t.Errorf("Lease returned %v", err)
	}
	if _, err := q.Audit(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("Audit returned %v", err)
	}
	if err := q.Close(); err != nil {
		t.Errorf("second Close returned %v", err)
	}
}
