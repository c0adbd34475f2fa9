package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/posthaste-mta/posthaste/message"
)

// fillForOperators puts five messages of different senders, tenants and domains.
func fillForOperators(t *testing.T, q *Queue) []message.ID {
	t.Helper()
	var ids []message.ID
	for _, m := range []struct {
		sender, tenant string
		to             []string
	}{
		{"alice@a.test", "", []string{"x@one.test", "y@one.test"}},
		{"bob@a.test", "acme", []string{"x@one.test", "z@two.test"}},
		{"", "", []string{"alice@two.test"}},
		{"alice@b.test", "acme", []string{"X@three.test"}},
		{"bob@b.test", "", []string{"q@sub.one.test"}},
	} {
		id, err := q.Put(context.Background(), &message.Envelope{Sender: m.sender, Tenant: m.tenant}, rcpts(m.to...), []byte("hello\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func TestFilters(t *testing.T) {
	clock := newTestTime()
	q := openTest(t, Options{Now: clock.now})
	ids := fillForOperators(t, q)
	clock.pass(time.Hour)
	late := putTest(t, q, "late\r\n", "x@one.test")
	yes, no := true, false
	tests := []struct {
		name string
		f    Filter
		want int
	}{
		{"all", Filter{}, 8},
		{"domain", Filter{Domain: "one.test"}, 4},
		{"domain of nobody", Filter{Domain: "one"}, 0},
		{"site", Filter{Domains: []string{"two.test", "three.test"}}, 3},
		{"sender", Filter{Sender: "ALICE@a.test"}, 2},
		{"sender's domain", Filter{Sender: "@a.test"}, 4},
		{"null sender", Filter{Sender: "<>"}, 1},
		{"recipient", Filter{Recipient: "x@one.test"}, 3},
		{"recipient in another case", Filter{Recipient: "x@three.test"}, 1},
		{"recipient's domain", Filter{Recipient: "@two.test"}, 2},
		{"tenant", Filter{Tenant: "acme"}, 3},
		{"id", Filter{IDs: []message.ID{ids[0], late}}, 3},
		{"older", Filter{Older: time.Minute}, 7},
		{"together", Filter{Tenant: "acme", Domain: "one.test"}, 1},
		{"held", Filter{Held: &yes}, 0},
		{"not held", Filter{Held: &no}, 8},
	}
	for _, tt := range tests {
		listed := 0
		for _, err := range q.List(context.Background(), tt.f, 0) {
			if err != nil {
				t.Fatal(err)
			}
			listed++
		}
		n, err := q.Count(context.Background(), tt.f)
		if listed != tt.want || err != nil || n.Recipients[Active] != int64(tt.want) {
			t.Errorf("%s: listed %d, counted %+v (%v), want %d", tt.name, listed, n, err, tt.want)
		}
	}
	limited := 0
	for range q.List(context.Background(), Filter{}, 3) {
		limited++
	}
	if limited != 3 {
		t.Errorf("a list of 3 has %d", limited)
	}
}

// A search goes on over more keys than one step looks at.
func TestSearchInSteps(t *testing.T) {
	q := openTest(t, Options{})
	for i := range searchStep/10 + 1 {
		var to []string
		for j := range 10 {
			to = append(to, fmt.Sprintf("a@d%d-%d.test", i, j))
		}
		putTest(t, q, "hello\r\n", to...)
	}
	want := int64((searchStep/10 + 1) * 10)
	if n, err := q.Count(context.Background(), Filter{}); n.Groups != want || err != nil {
		t.Errorf("counted %+v, want %d: %v", n, want, err)
	}
	if n, err := q.Hold(context.Background(), Filter{}, nil); n.Recipients != want || err != nil {
		t.Errorf("held %+v, want %d: %v", n, want, err)
	}
}

// Held mail is not delivered, not even after a restart, until it is released.
func TestHoldAndResume(t *testing.T) {
	fs := vfs.NewMem()
	q := openTest(t, Options{FS: fs})
	fillForOperators(t, q)
	leased, err := q.Lease("two.test")
	if err != nil || leased == nil {
		t.Fatal(leased, err)
	}
	var told []string
	n, err := q.Hold(context.Background(), Filter{Domains: []string{"one.test", "two.test"}}, func(e []Entry) {
		for i := range e {
			told = append(told, e[i].Recipient.Address)
		}
	})
	slices.Sort(told)
	if err != nil || n != (Changed{Recipients: 4, Skipped: 1}) ||
		!slices.Equal(told, []string{"alice@two.test", "x@one.test", "x@one.test", "y@one.test"}) {
		t.Fatalf("held %+v %v, %v", n, told, err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = openTest(t, Options{FS: fs})
	<-q.scanEnded
	if l, err := q.Lease("one.test"); l != nil || err != nil {
		t.Fatalf("leased held mail: %v, %v", l, err)
	}
	if m := q.Metrics(); m.Recipients[OnHold] != 4 || m.Recipients[Active] != 3 {
		t.Errorf("metrics say %v", m.Recipients)
	}
	if n, err := q.Resume(context.Background(), Filter{Domain: "one.test"}, nil); err != nil || n.Recipients != 3 {
		t.Fatalf("released %+v, %v", n, err)
	}
	for range 2 {
		l, err := q.Lease("one.test")
		if l == nil || err != nil {
			t.Fatalf("released mail is not due: %v, %v", l, err)
		}
		settleTest(t, q, l, message.Delivered)
	}
	if n := queued(t, q); n != 4 {
		t.Errorf("%d queued", n)
	}
}

// A retry makes deferred mail due now; its attempts and last outcome stay.
func TestRetry(t *testing.T) {
	clock := newTestTime()
	q := openTest(t, Options{Now: clock.now})
	putTest(t, q, "hello\r\n", "a@one.test", "b@one.test")
	s := all(nextLease(t, q), message.Deferred)
	s.Statuses[1] = message.Status{Code: 451, Text: "try later", Remote: true}
	s.NextDue, s.DelayWarned = q.Now().Add(time.Hour), true
	if err := q.Settle(context.Background(), []Settlement{s}); err != nil {
		t.Fatal(err)
	}
	if l, err := q.Lease("one.test"); l != nil || err != nil {
		t.Fatalf("leased before it is due: %v, %v", l, err)
	}
	if n, err := q.Retry(context.Background(), Filter{Recipient: "b@one.test"}, nil); n.Recipients != 2 || err != nil {
		t.Fatalf("retried %+v, %v", n, err)
	}
	l := nextLease(t, q)
	if l.Attempts != 1 || !l.DelayWarned || l.Recipients[1].Last.Text != "try later" || !l.Recipients[1].Last.Remote {
		t.Errorf("leased %+v", l)
	}
}

// An operator's lease is nobody else's, and gives back what it did not use.
func TestLeaseMatching(t *testing.T) {
	q := openTest(t, Options{})
	fillForOperators(t, q)
	if _, err := q.Hold(context.Background(), Filter{Domain: "two.test"}, nil); err != nil {
		t.Fatal(err)
	}
	leases, n, err := q.LeaseMatching(context.Background(), Filter{}, 100)
	if err != nil || len(leases) != 6 || n != (Changed{Recipients: 7}) {
		t.Fatalf("leased %d, %+v, %v", len(leases), n, err)
	}
	if l, err := q.Lease("one.test"); l != nil || err != nil {
		t.Fatalf("leased twice: %v, %v", l, err)
	}
	held := 0
	for _, l := range leases {
		if l.Held {
			held++
		}
		if content, err := l.Content(); err != nil || string(content) != "hello\r\n" {
			t.Errorf("content %q, %v", content, err)
		}
		q.Release(l)
	}
	if held != 2 {
		t.Errorf("%d were held", held)
	}
	if again, _, err := q.LeaseMatching(context.Background(), Filter{}, 2); len(again) != 2 || err != nil {
		t.Errorf("leased %d, %v", len(again), err)
	}
	if c, err := q.Count(context.Background(), Filter{}); err != nil || c.Recipients[InFlight] == 0 || c.Groups != 6 {
		t.Errorf("counted %+v, %v", c, err)
	}
}

func TestSettleChecksItsArguments(t *testing.T) {
	q := openTest(t, Options{})
	putTest(t, q, "hello\r\n", "a@one.test")
	l := nextLease(t, q)
	if err := q.Settle(context.Background(), []Settlement{{Lease: l}}); err == nil {
		t.Error("a settlement without results was taken")
	}
	bad := all(l, message.Delivered)
	bad.Reports = []NewMessage{{Envelope: &message.Envelope{}}}
	if err := q.Settle(context.Background(), []Settlement{bad}); err == nil {
		t.Error("a report without recipients was taken")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for errors.Is(q.Settle(ctx, []Settlement{all(l, message.Deferred)}), nil) { // the lease is still out after an error
		l = nextLease(t, q)
	}
	settleTest(t, q, l, message.Delivered)
	if err := q.Settle(context.Background(), []Settlement{all(l, message.Delivered)}); !errors.Is(err, errEnded) {
		t.Errorf("settled twice: %v", err)
	}
	if n := queued(t, q); n != 0 {
		t.Errorf("%d queued", n)
	}
}

func TestPutRefusesWhatCannotBeKept(t *testing.T) {
	q := openTest(t, Options{})
	bad := map[string]func(*message.Envelope, *message.Recipient){
		"domain with NUL": func(_ *message.Envelope, r *message.Recipient) { r.Domain = "a\x00b" },
		"no domain":       func(_ *message.Envelope, r *message.Recipient) { r.Domain = "" },
		"tenant with NUL": func(e *message.Envelope, _ *message.Recipient) { e.Tenant = "\x00" },
		"unknown class":   func(e *message.Envelope, _ *message.Recipient) { e.Class = message.NumClasses },
	}
	for what, change := range bad {
		env, to := &message.Envelope{}, rcpts("a@one.test")
		change(env, &to[0])
		if _, err := q.Put(context.Background(), env, to, nil); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
	if _, err := q.Put(context.Background(), &message.Envelope{}, nil, nil); err == nil {
		t.Error("a message without recipients was taken")
	}
}
