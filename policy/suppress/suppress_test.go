package suppress

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/store"
)

var testStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is a time that a test sets.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

type fataler interface {
	Helper()
	Fatal(...any)
}

func openStore(t fataler, disk vfs.FS) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{Dir: "policy", FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// openTest opens the lists on a disk, with the filter built.
func openTest(t *testing.T, disk vfs.FS, o Options) *List {
	t.Helper()
	s := openStore(t, disk)
	o.Store = s
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	if err := l.build(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

func address(t fataler, s string) message.Address {
	t.Helper()
	a, err := message.ParseAddress(s, true)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// found returns the target of the entry that suppresses the recipient; "" if none does.
func found(t *testing.T, l *List, tenant, to string) string {
	t.Helper()
	e, ok, err := l.Lookup(tenant, address(t, to))
	if err != nil || ok != (e.Target != "") {
		t.Fatalf("%+v, %v, %v", e, ok, err)
	}
	return e.Target
}

func TestTargets(t *testing.T) {
	for in, want := range map[string]string{
		"Anna@Example.COM":       "anna@example.com",
		"  anna@example.com ":    "anna@example.com",
		`"anna"@example.com`:     "anna@example.com",
		`"an\na"@example.com`:    "anna@example.com",
		`"A b"@example.com`:      `"a b"@example.com`,
		`"a@b"@example.com`:      `"a@b"@example.com`,
		"anna+news@example.com":  "anna+news@example.com",
		"Änna@bücher.example":    "änna@xn--bcher-kva.example",
		"Example.COM":            "example.com",
		"@Example.com":           "example.com",
		"anna@[192.0.2.1]":       "anna@[192.0.2.1]",
		"":                       "",
		"@":                      "",
		"anna@":                  "",
		"anna@example.com\r\n x": "",
		"a@b@example.com":        "",
		"two words":              "",
	} {
		got, err := ParseTarget(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestLookup(t *testing.T) {
	l := openTest(t, vfs.NewMem(), Options{})
	err := l.Add(t.Context(),
		Entry{Tenant: "acme", Target: "Anna@example.com"},
		Entry{Tenant: "acme", Target: "gone.example"},
		Entry{Target: "nobody@example.com"},
		Entry{Target: "trap.example"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ tenant, to, want string }{
		{"acme", "anna@example.com", "anna@example.com"},
		{"acme", "ANNA@example.com", "anna@example.com"},
		{"acme", `"Anna"@example.com`, "anna@example.com"},
		{"acme", "anna+1@example.com", ""},
		{"acme", "anna@mail.example.com", ""},
		{"acme", "x@gone.example", "gone.example"},
		{"acme", "x@sub.gone.example", ""},
		{"acme", "nobody@example.com", "nobody@example.com"},
		{"acme", "x@trap.example", "trap.example"},
		{"other", "anna@example.com", ""},
		{"other", "x@trap.example", "trap.example"},
		{"", "anna@example.com", ""},
		{"", "nobody@example.com", "nobody@example.com"},
		{"acm", "anna@example.com", ""},
	} {
		if got := found(t, l, c.tenant, c.to); got != c.want {
			t.Errorf("%s of %q is suppressed by %q, want %q", c.to, c.tenant, got, c.want)
		}
	}
	if m := l.Metrics(); m.Entries != 4 || m.Hits != 8 || m.Lookups != 14 || m.FilterBytes == 0 {
		t.Errorf("%+v", m)
	}
}

func TestAnEntryEnds(t *testing.T) {
	c := &clock{testStart}
	l := openTest(t, vfs.NewMem(), Options{Now: c.now})
	err := l.Add(t.Context(), Entry{Target: "a@example.com", Until: testStart.Add(time.Hour)}, Entry{Target: "b@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(time.Hour - time.Second)
	if found(t, l, "", "a@example.com") == "" {
		t.Error("it ended early")
	}
	c.t = c.t.Add(time.Second)
	if found(t, l, "", "a@example.com") != "" {
		t.Error("it has not ended")
	}
	if err := l.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := l.Metrics(); m.Entries != 1 || m.Expired != 1 {
		t.Errorf("%+v", m)
	}
}

func TestTheBackgroundBuildsAndSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := openTest(t, vfs.NewMem(), Options{})
		if err := l.Add(t.Context(), Entry{Target: "a@example.com", Until: time.Now().Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour + time.Second)
		if m := l.Metrics(); m.Entries != 0 || m.Expired != 1 {
			t.Errorf("%+v", m)
		}
	})
}

func TestAddRefuses(t *testing.T) {
	l := openTest(t, vfs.NewMem(), Options{})
	for field, e := range map[string]Entry{
		"target": {Target: "no address"},
		"tenant": {Target: "a@example.com", Tenant: "a\x00b"},
		"reason": {Target: "a@example.com", Reason: "No Word"},
		"event":  {Target: "a@example.com", Evidence: Evidence{Event: "two\nlines"}},
		"since":  {Target: "a@example.com", Since: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"until":  {Target: "a@example.com", Until: time.Now().Add(-time.Hour)},
	} {
		err := l.Add(t.Context(), Entry{Target: "good@example.com"}, e)
		if f, ok := errors.AsType[*FieldError](err); !ok || f.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if found(t, l, "", "good@example.com") != "" {
		t.Error("half of a refused call was applied")
	}
}

func TestRemove(t *testing.T) {
	l := openTest(t, vfs.NewMem(), Options{})
	note(t, l, "a@example.com", "bad-mailbox", "1")
	note(t, l, "a@example.com", "bad-mailbox", "2")
	if err := l.Remove(t.Context(), "acme", "A@example.com"); err != nil {
		t.Fatal(err)
	}
	if found(t, l, "acme", "a@example.com") != "" {
		t.Error("still on the list")
	}
	if err := l.Remove(t.Context(), "acme", "a@example.com"); !errors.Is(err, ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
	if note(t, l, "a@example.com", "bad-mailbox", "3") {
		t.Error("counting did not start anew")
	}
}

func TestEntries(t *testing.T) {
	l := openTest(t, vfs.NewMem(), Options{})
	var all []string
	for _, tenant := range []string{"", "acme", "b"} {
		for i := range 3 {
			e := Entry{Tenant: tenant, Target: fmt.Sprintf("%d@example.com", i), Reason: "complaint"}
			if i == 2 {
				e.Target, e.Reason = "example.org", ""
			}
			if err := l.Add(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			all = append(all, tenant+"/"+e.Target)
		}
	}
	list := func(f Filter) (got []string) {
		for e, err := range l.Entries(f) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Tenant+"/"+e.Target)
		}
		return got
	}
	for name, c := range map[string]struct {
		f    Filter
		want []string
	}{
		"all":       {Filter{}, all},
		"global":    {Filter{OneTenant: true}, all[:3]},
		"one":       {Filter{OneTenant: true, Tenant: "acme"}, all[3:6]},
		"reason":    {Filter{Reason: Manual}, []string{all[2], all[5], all[8]}},
		"contains":  {Filter{Contains: "1@EX"}, []string{all[1], all[4], all[7]}},
		"next page": {Filter{After: &Entry{Tenant: "acme", Target: "1@example.com"}}, all[5:]},
		"tenant's":  {Filter{OneTenant: true, Tenant: "b", After: &Entry{Tenant: "acme", Target: "1@example.com"}}, all[6:]},
		"past":      {Filter{OneTenant: true, Tenant: "acme", After: &Entry{Tenant: "b", Target: "1@example.com"}}, nil},
	} {
		if diff := cmp.Diff(c.want, list(c.f)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// The lists answer as a plain map would, whatever is added, removed, swept, filtered anew or read
// back after a restart.
func TestListsAreAMap(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		disk := vfs.NewMem()
		c := &clock{testStart}
		s := openStore(r, disk)
		open := func() *List {
			l, err := Open(r.Context(), Options{Store: s, Now: c.now})
			if err != nil {
				r.Fatal(err)
			}
			return l
		}
		l := open()
		defer func() { _, _ = l.Close(), s.Close() }()
		model := map[string]time.Time{}
		tenant := rapid.SampledFrom([]string{"", "a", "b"})
		target := rapid.SampledFrom([]string{"x@one.test", "X@one.test", "y@one.test", "one.test", "two.test"})
		r.Repeat(map[string]func(*rapid.T){
			"add": func(r *rapid.T) {
				e := Entry{Tenant: tenant.Draw(r, "tenant"), Target: target.Draw(r, "target")}
				if hours := rapid.IntRange(0, 3).Draw(r, "hours"); hours > 0 {
					e.Until = c.t.Add(time.Duration(hours) * time.Hour)
				}
				if err := l.Add(r.Context(), e); err != nil {
					r.Fatal(err)
				}
				model[e.Tenant+"/"+strings.ToLower(e.Target)] = e.Until
			},
			"remove": func(r *rapid.T) {
				tenant, target := tenant.Draw(r, "tenant"), target.Draw(r, "target")
				key := tenant + "/" + strings.ToLower(target)
				err := l.Remove(r.Context(), tenant, target)
				until, there := model[key]
				if err != nil && !errors.Is(err, ErrNotFound) || (err != nil) && there && (until.IsZero() || until.After(c.t)) {
					r.Fatal(err)
				}
				delete(model, key)
			},
			"time":  func(r *rapid.T) { c.t = c.t.Add(30 * time.Minute) },
			"sweep": func(r *rapid.T) { must(r, l.sweep(r.Context())) },
			"build": func(r *rapid.T) {
				l.filter.Store(nil)
				must(r, l.build(r.Context()))
			},
			"reopen": func(r *rapid.T) {
				if rapid.IntRange(0, 7).Draw(r, "seldom") > 0 {
					return
				}
				must(r, errors.Join(l.Close(), s.Close()))
				s = openStore(r, disk)
				l = open()
			},
			"": func(r *rapid.T) {
				for _, tenant := range []string{"", "a", "b"} {
					for _, to := range []string{"x@one.test", "y@one.test", "z@one.test", "x@two.test", "x@three.test"} {
						_, got, err := l.Lookup(tenant, address(r, to))
						must(r, err)
						want := false
						for _, key := range []string{tenant + "/" + to, tenant + "/" + to[2:], "/" + to, "/" + to[2:]} {
							until, ok := model[key]
							want = want || ok && (until.IsZero() || c.t.Before(until))
						}
						if got != want {
							r.Fatalf("%s of %q suppressed: %v, want %v", to, tenant, got, want)
						}
					}
				}
			},
		})
	})
}

func must(t fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilterNeverForgets(t *testing.T) {
	f := newFilter(20000, 1<<20)
	for i := range 20000 {
		f.add(fmt.Appendf(nil, "in%d", i))
	}
	passed := 0
	for i := range 20000 {
		if !f.may(fmt.Appendf(nil, "in%d", i)) {
			t.Fatalf("forgot %d", i)
		}
		if f.may(fmt.Appendf(nil, "out%d", i)) {
			passed++
		}
	}
	if passed > 20000/200 {
		t.Errorf("%d of 20000 others pass", passed)
	}
	if small := newFilter(1<<40, 1<<20); small.bytes() != 1<<20 {
		t.Errorf("%d bytes", small.bytes())
	}
}
