package greylist

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/store"
)

var testStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is a time that a test sets.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

type tester interface {
	Helper()
	Fatal(...any)
	Context() context.Context
}

func must(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openStore(t tester, disk vfs.FS) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{Dir: "policy", FS: disk})
	must(t, err)
	return s
}

// openTest opens a list with its own store; end closes both.
func openTest(t tester, disk vfs.FS, o Options) (g *Greylist, end func()) {
	t.Helper()
	o.Store = openStore(t, disk)
	g, err := Open(t.Context(), o)
	must(t, err)
	return g, func() { must(t, errors.Join(g.Close(), o.Store.Close())) }
}

func attempt(t tester, client, sender, recipient string) Attempt {
	t.Helper()
	to, err := message.ParseAddress(recipient, true)
	must(t, err)
	a := Attempt{Sender: strings.Trim(sender, "<>"), Recipient: to}
	if client != "-" {
		a.Client, err = netip.ParseAddr(client)
		must(t, err)
	}
	return a
}

// Each file of testdata is a story: rules, then lines of time since the beginning, client, sender,
// recipient, perhaps "spf", and behind "=>" what comes of it.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			must(t, err)
			disk, c := vfs.NewMem(), &clock{testStart}
			rules := Rules{
				Networks:   []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:1::/48")},
				Senders:    []string{"friend@example.net", ".Bank.example"},
				Recipients: []string{"Postmaster@example.com", "eager.example"},
			}
			g, end := openTest(t, disk, Options{Now: c.now, Rules: rules, CacheEntries: 8})
			defer func() { end() }()
			for n, line := range strings.Split(string(text), "\n") {
				line, want, ok := strings.Cut(line, "=>")
				f := strings.Fields(line)
				if len(f) > 0 && f[0] == "restart" {
					end()
					g, end = openTest(t, disk, Options{Now: c.now, Rules: rules, CacheEntries: 8})
				}
				if !ok || strings.HasPrefix(line, "#") {
					continue
				}
				after, err := time.ParseDuration(f[0])
				must(t, err)
				c.t = testStart.Add(after)
				a := attempt(t, f[1], f[2], f[3])
				a.SPFPass = len(f) > 4 && f[4] == "spf"
				d, err := g.Check(t.Context(), a)
				must(t, err)
				got := d.Reason.String()
				if !d.Pass {
					got += " " + d.Wait.String()
				}
				if got != strings.TrimSpace(want) {
					t.Errorf("line %d: %s=> %s, want %s", n+1, line, got, strings.TrimSpace(want))
				}
			}
		})
	}
}

func TestWords(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		1:                             "1 second",
		time.Second:                   "1 second",
		time.Second + 1:               "2 seconds",
		time.Minute:                   "60 seconds",
		time.Minute + 1:               "2 minutes",
		3*time.Minute + time.Second:   "4 minutes",
		5 * time.Minute:               "5 minutes",
		2 * time.Hour:                 "120 minutes",
		2*time.Hour + time.Nanosecond: "3 hours",
	} {
		s := Decision{Wait: wait}.Status()
		if s.String() != "451 4.7.1 Greylisted, please try again in "+want {
			t.Errorf("%v: %s", wait, s)
		}
	}
	if s := (Decision{Pass: true}).Status(); s != (message.Status{}) {
		t.Error(s)
	}
}

func TestSteadySenders(t *testing.T) {
	for in, want := range map[string]string{
		"":                                     "",
		"anna@example.com":                     "anna@example.com",
		"list-bounces+bob=b.test@example.com":  "list-bounces@example.com",
		"bounce-1234-567.89@news7.example":     "bounce-#-#.#@news7.example",
		"prvs=0123abcdef=anna@example.com":     "anna@example.com",
		"srs0=hhh=tt=there.test=anna@fwd.test": "srs@fwd.test",
		"+odd@example.com":                     "+odd@example.com",
		`"a@b"@example.com`:                    `"a@b"@example.com`,
	} {
		if got := steady(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestRulesThatMakeNoSense(t *testing.T) {
	g, end := openTest(t, vfs.NewMem(), Options{})
	defer end()
	for name, r := range map[string]Rules{
		"delay":     {Delay: time.Millisecond},
		"long":      {Delay: 48 * time.Hour},
		"window":    {Delay: time.Hour, RetryWindow: time.Minute},
		"lifetime":  {Lifetime: time.Minute},
		"network":   {Networks: []netip.Prefix{{}}},
		"sender":    {Senders: []string{"no domain"}},
		"recipient": {Recipients: []string{"a@b@c"}},
	} {
		if err := g.SetRules(r); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if d := g.rules.Load().Delay; d != DefaultRules().Delay {
		t.Errorf("a refused rule changed the delay to %v", d)
	}
}

func TestOperators(t *testing.T) {
	disk, c := vfs.NewMem(), &clock{testStart}
	g, end := openTest(t, disk, Options{Now: c.now})
	check := func(client, sender, recipient string) Reason {
		t.Helper()
		d, err := g.Check(t.Context(), attempt(t, client, sender, recipient))
		must(t, err)
		return d.Reason
	}
	must(t, g.Allow(t.Context(), Allowance{Network, "192.0.2.7", time.Time{}}))
	must(t, g.Allow(t.Context(), Allowance{Network, "2001:DB8::1/32", c.t.Add(time.Hour)}))
	must(t, g.Allow(t.Context(), Allowance{Sender, ".Example.net", time.Time{}}))
	must(t, g.Allow(t.Context(), Allowance{Recipient, "Eager@example.com", time.Time{}}))
	for range 2 { // and after a restart
		for _, x := range []struct {
			client, sender, recipient string
			want                      Reason
		}{
			{"192.0.2.7", "a@b.test", "c@d.test", AllowedClient},
			{"::ffff:192.0.2.7", "a@b.test", "c@d.test", AllowedClient},
			{"2001:db8:5::1", "a@b.test", "c@d.test", AllowedClient},
			{"203.0.113.1", "a@mail.example.net", "c@d.test", AllowedSender},
			{"203.0.113.1", "a@b.test", "EAGER@example.com", AllowedRecipient},
		} {
			if got := check(x.client, x.sender, x.recipient); got != x.want {
				t.Errorf("%+v: %v", x, got)
			}
		}
		end()
		g, end = openTest(t, disk, Options{Now: c.now})
	}
	defer func() { end() }()
	if got := check("192.0.2.8", "a@example.net", "c@d.test"); got != New {
		t.Error(got)
	}
	want := []Allowance{{Network, "192.0.2.7/32", time.Time{}}, {Network, "2001:db8::/32", c.t.Add(time.Hour)},
		{Recipient, "eager@example.com", time.Time{}}, {Sender, ".example.net", time.Time{}}}
	if diff := cmp.Diff(want, g.Allowances()); diff != "" {
		t.Error(diff)
	}
	must(t, g.Disallow(t.Context(), Network, "192.0.2.7/32"))
	if err := g.Disallow(t.Context(), Network, "192.0.2.7"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if got := check("192.0.2.7", "x@b.test", "c@d.test"); got != New {
		t.Error("still allowed:", got)
	}
	c.t = c.t.Add(time.Hour)
	if got := check("2001:db8:5::1", "a@b.test", "c@d.test"); got != New {
		t.Error("the allowance has not ended:", got)
	}
	must(t, g.sweep(t.Context()))
	if n := len(g.Allowances()); n != 2 {
		t.Errorf("%d allowances", n)
	}
	for _, a := range []Allowance{{Network, "example.com", time.Time{}}, {Sender, "192.0.2.0/24", time.Time{}}, {'x', "a.test", time.Time{}}} {
		if err := g.Allow(t.Context(), a); err == nil {
			t.Errorf("%+v was taken", a)
		}
	}
}

func TestListAndForget(t *testing.T) {
	c := &clock{testStart}
	g, end := openTest(t, vfs.NewMem(), Options{Now: c.now})
	defer end()
	check := func(client, sender, recipient string) {
		t.Helper()
		_, err := g.Check(t.Context(), attempt(t, client, sender, recipient))
		must(t, err)
	}
	check("192.0.2.1", "a@one.test", "x@example.com")
	check("2001:db8::1", "", "y@example.com")
	c.t = c.t.Add(10 * time.Minute)
	check("192.0.2.1", "a@one.test", "x@example.com")
	list := func(f Filter) string {
		var out []string
		for x, err := range g.Triplets(f) {
			must(t, err)
			out = append(out, fmt.Sprint(x.Network, x.Sender, x.Recipient, x.Passed, x.First.Sub(testStart), x.Last.Sub(testStart), x.Until.Sub(testStart)))
		}
		for x, err := range g.Clients(f) {
			must(t, err)
			out = append(out, fmt.Sprint(x.Network, x.Passes, x.Known))
		}
		return strings.Join(out, "\n")
	}
	const one, two, client = "192.0.2.0/24 a@one.test x@example.com true 0s 10m0s 840h10m0s",
		"2001:db8::/64  y@example.com false 0s 0s 48h0m0s", "192.0.2.0/24 1 false"
	for want, f := range map[string]Filter{
		one + "\n" + client: {Sender: "ONE.test"},
		two + "\n" + client: {Waiting: true},
		two:                 {Network: netip.MustParsePrefix("2001:db8::/32")},
		"":                  {Network: netip.MustParsePrefix("10.0.0.0/8")},
	} {
		if got := list(f); norm(got) != norm(want) {
			t.Errorf("%+v:\n%s\nwant\n%s", f, got, want)
		}
	}
	triplets, clients, err := g.Forget(t.Context(), Filter{Network: netip.MustParsePrefix("192.0.2.200/32")})
	if triplets != 1 || clients != 1 || err != nil {
		t.Error(triplets, clients, err)
	}
	if got := list(Filter{}); norm(got) != norm(two) {
		t.Error(got)
	}
	if d, err := g.Check(t.Context(), attempt(t, "192.0.2.1", "a@one.test", "x@example.com")); d.Reason != New || err != nil {
		t.Error("not forgotten:", d, err)
	}
}

// norm leaves out what Sprint puts between some values and not between others.
func norm(s string) string { return strings.ReplaceAll(s, " ", "") }

func TestSweepRemovesWhatHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		g, end := openTest(t, vfs.NewMem(), Options{SweepInterval: 10 * time.Minute, Rules: Rules{RetryWindow: time.Hour, Lifetime: 2 * time.Hour}})
		come := func(sender string) {
			_, err := g.Check(t.Context(), attempt(t, "192.0.2.1", sender, "x@example.com"))
			must(t, err)
		}
		come("never-again@b.test")
		come("comes-back@b.test")
		time.Sleep(6 * time.Minute)
		come("comes-back@b.test")
		for _, want := range []struct {
			after             time.Duration
			triplets, clients int64
		}{{40 * time.Minute, 2, 1}, {30 * time.Minute, 1, 1}, {time.Hour, 0, 0}} {
			time.Sleep(want.after)
			if m := g.Metrics(); m.Triplets != want.triplets || m.Clients != want.clients {
				t.Errorf("after %v: %+v", want.after, m)
			}
		}
		if m := g.Metrics(); m.Expired != 3 {
			t.Errorf("%+v", m)
		}
		end()
		goleak.VerifyNone(t, before)
	})
}

// A flood of new triplets does not push out those that have come back.
func TestAFloodPushesOutItself(t *testing.T) {
	c := &clock{testStart}
	g, end := openTest(t, vfs.NewMem(), Options{Now: c.now, MaxTriplets: 200, CacheEntries: 16, Rules: Rules{KnownAfter: -1}})
	defer end()
	check := func(client, sender string) Reason {
		d, err := g.Check(t.Context(), attempt(t, client, sender, "x@example.com"))
		must(t, err)
		return d.Reason
	}
	const friends = 50
	for range 2 {
		for i := range friends {
			check(fmt.Sprintf("10.0.%d.1", i), "friend@b.test")
		}
		c.t = c.t.Add(time.Hour)
	}
	for i := range 2000 {
		check(fmt.Sprintf("10.%d.%d.1", 1+i/250, i%250), "flood@b.test")
	}
	known := 0
	for i := range friends {
		if check(fmt.Sprintf("10.0.%d.1", i), "friend@b.test") == KnownTriplet {
			known++
		}
	}
	n, err := g.store.Count(t.Context(), store.Triplets)
	if m := g.Metrics(); err != nil || n > 200 || n != m.Triplets || m.Evicted < 1850 {
		t.Errorf("%d triplets, %v, %+v", n, err, m)
	}
	if known < friends-2 { // all eight of a sample may be friends
		t.Errorf("only %d of %d are still known", known, friends)
	}
}

func TestClientsThatComeTogether(t *testing.T) {
	g, end := openTest(t, vfs.NewMem(), Options{MaxTriplets: 50, CacheEntries: 8})
	defer end()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 200 {
				a := attempt(t, fmt.Sprintf("10.0.%d.1", (i+j)%100), "a@b.test", "x@example.com")
				if d, err := g.Check(context.Background(), a); err != nil || d.Pass {
					t.Error(d, err)
				}
			}
		})
	}
	all.Wait()
	must(t, g.sweep(t.Context()))
	if m := g.Metrics(); m.Triplets > 60 || m.Decisions[New]+m.Decisions[TooEarly] != 1600 {
		t.Errorf("%+v", m)
	}
}

// When the store answers no more, mail passes.
func TestAFailedStoreHoldsUpNobody(t *testing.T) {
	g, end := openTest(t, vfs.NewMem(), Options{})
	must(t, g.store.Close())
	d, err := g.Check(t.Context(), attempt(t, "192.0.2.1", "a@b.test", "x@example.com"))
	if !d.Pass || d.Reason != Failed || err == nil {
		t.Error(d, err)
	}
	end()
}

func FuzzRecord(f *testing.F) {
	f.Add(appendRecord(nil, &record{first: testStart, last: testStart, passes: 3, names: []string{"192.0.2.0/24", "", "x@example.com"}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := readRecord(b)
		if err != nil {
			return
		}
		again, err := readRecord(appendRecord(nil, &r))
		if diff := cmp.Diff(fmt.Sprint(r), fmt.Sprint(again)); diff != "" || err != nil {
			t.Error(diff, err)
		}
	})
}
