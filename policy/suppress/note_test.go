package suppress

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-mta/posthaste/policy/store"
)

// note notes a bounce of tenant acme and tells whether the address has entered the list.
func note(t *testing.T, l *List, to, class, event string) bool {
	t.Helper()
	entered, err := l.Note(t.Context(), "acme", address(t, to), class, Evidence{Event: event, Remote: "550 5.1.1 no such user\x1b[0m"})
	if err != nil {
		t.Fatal(err)
	}
	return entered
}

func TestTwoHardBouncesWithinAMonth(t *testing.T) {
	c := &clock{testStart}
	disk := vfs.NewMem()
	l := openTest(t, disk, Options{Now: c.now})
	if note(t, l, "Anna@example.com", "bad-mailbox", "e1") || found(t, l, "acme", "anna@example.com") != "" {
		t.Error("one bounce was enough")
	}
	if note(t, l, "anna@example.com", "bad-mailbox", "e1") {
		t.Error("the same bounce counted twice")
	}
	c.t = c.t.Add(29 * 24 * time.Hour)
	if !note(t, l, "anna@EXAMPLE.com", "bad-domain", "e2") {
		t.Error("two bounces were not enough")
	}
	if note(t, l, "anna@example.com", "bad-mailbox", "e3") {
		t.Error("entered twice")
	}
	e, ok, err := l.Lookup("acme", address(t, "anna@example.com"))
	want := Entry{Tenant: "acme", Target: "anna@example.com", Reason: HardBounce, Since: c.t,
		Evidence: Evidence{Event: "e2", Remote: "550 5.1.1 no such user?[0m"}}
	if diff := cmp.Diff(want, e); diff != "" || !ok || err != nil {
		t.Error(diff, ok, err)
	}
	if found(t, l, "other", "anna@example.com") != "" {
		t.Error("it is on another tenant's list")
	}
}

func TestOldBouncesCountNoMore(t *testing.T) {
	c := &clock{testStart}
	l := openTest(t, vfs.NewMem(), Options{Now: c.now})
	for i := range 5 {
		if note(t, l, "anna@example.com", "bad-mailbox", string(rune('a'+i))) {
			t.Errorf("bounce %d entered", i)
		}
		c.t = c.t.Add(30 * 24 * time.Hour)
	}
	if err := l.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for e, err := range l.store.Scan(store.Bounces, nil) {
		t.Errorf("still kept: %s, %v", e.Key, err)
	}
}

func TestOtherClassesNeverEnter(t *testing.T) {
	l := openTest(t, vfs.NewMem(), Options{Rule: Rule{Bounces: 1, Within: time.Hour}})
	for _, class := range []string{"unknown", "greylisted", "rate-or-reputation", "content",
		"policy-or-auth", "protocol", "network", "", "Bad-Mailbox"} {
		if note(t, l, "anna@example.com", class, "") {
			t.Errorf("%q entered", class)
		}
	}
	if !note(t, l, "anna@example.com", "bad-mailbox", "") {
		t.Error("bad-mailbox did not")
	}
}

func TestRules(t *testing.T) {
	c := &clock{testStart}
	l := openTest(t, vfs.NewMem(), Options{Now: c.now, Rule: Rule{Bounces: 3, Within: time.Hour, For: 24 * time.Hour}})
	entered := []bool{}
	for range 4 {
		entered = append(entered, note(t, l, "anna@example.com", "bad-mailbox", ""))
	}
	if diff := cmp.Diff([]bool{false, false, true, false}, entered); diff != "" {
		t.Error(diff)
	}
	c.t = c.t.Add(24 * time.Hour)
	if found(t, l, "acme", "anna@example.com") != "" {
		t.Error("it has not ended")
	}
	if note(t, l, "anna@example.com", "bad-mailbox", "") {
		t.Error("bounces from before the entry count again")
	}
	off := openTest(t, vfs.NewMem(), Options{Rule: Rule{Off: true}})
	for range 9 {
		if note(t, off, "anna@example.com", "bad-mailbox", "") {
			t.Error("entered though off")
		}
	}
	for _, r := range []Rule{{Bounces: 21, Within: 1}, {Bounces: -1, Within: 1}, {Bounces: 1}, {Bounces: 1, Within: 1, For: -1}} {
		if off.SetRule(r) == nil {
			t.Errorf("%+v was taken", r)
		}
	}
	if err := off.SetRule(Rule{Bounces: 1, Within: time.Hour}); err != nil || !note(t, off, "anna@example.com", "bad-mailbox", "") {
		t.Error("the new rule does not hold", err)
	}
}
