package limit

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/store"
)

var client = netip.MustParseAddr("192.0.2.1")

// clock is a clock that stands still.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) pass(d time.Duration) { c.ns.Add(int64(d)) }
func shop(c netip.Addr) Who           { return Who{Client: c, Credential: "shop", Tenant: "acme"} }
func rate(s Subject, n int64, p time.Duration) Rule {
	return Rule{Subject: s, Unit: Messages, Amount: n, Period: p}
}

func newLimiter(t testing.TB, c *clock, o Options) *Limiter {
	t.Helper()
	o.Now = c.now
	l, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func wantText(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
		var st message.Status
		if !errors.As(err, &st) || st.String() != got {
			t.Errorf("%v is no message.Status", err)
		}
	}
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// What clients read: the limit, whose it is, and when to come back.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		rule Rule
		want string
	}{
		{rate(Client, 1, time.Second), "450 4.7.1 limit of 1 message a second for client 192.0.2.1 reached; try again in 1 second"},
		{rate(Credential, 100, time.Hour), "450 4.7.1 limit of 100 messages an hour for credential shop reached; try again in 36 seconds"},
		{rate(Credential, 5, time.Hour), "450 4.7.1 limit of 5 messages an hour for credential shop reached; try again in 12 minutes"},
		{rate(Tenant, 2, 24*time.Hour), "450 4.7.1 limit of 2 messages a day for tenant acme reached; try again in 12 hours"},
		{rate(Tenant, 3, 90*time.Second), "450 4.7.1 limit of 3 messages in 1m30s for tenant acme reached; try again in 30 seconds"},
		{Rule{Subject: Tenant, Unit: Messages, Kind: Quota, Amount: 9}, "452 4.3.1 limit of 9 messages in one day for tenant acme reached; try again in 21 hours"},
		{Rule{Subject: Sender, Unit: Messages, Kind: Quota, Amount: 9}, "452 4.3.1 limit of 9 messages in one day for sender a b@x.test reached; try again in 21 hours"},
	} {
		l := newLimiter(t, newClock(), Options{Rules: []Rule{tc.rule}})
		who := shop(client)
		who.Sender = "A\tB@X.test"
		var err error
		for i := int64(0); err == nil && i <= tc.rule.Amount; i++ {
			err = l.Take(who, Messages, 1)
		}
		wantText(t, err, tc.want)
	}
}

func TestTakeMoreThanEverFits(t *testing.T) {
	l := newLimiter(t, newClock(), Options{Rules: []Rule{{Subject: Client, Unit: Recipients, Amount: 100, Period: time.Minute, Burst: 10}}})
	wantText(t, l.Take(shop(client), Recipients, 11),
		"450 4.7.1 limit of 100 recipients a minute for client 192.0.2.1 reached; no more than 10 can come at once")
	wantText(t, l.Take(shop(client), Recipients, 10), "")
}

// A refusal uses up nothing of the other limits, whatever their order, and tells of the longest wait.
func TestAllOrNothing(t *testing.T) {
	c := newClock()
	l := newLimiter(t, c, Options{Rules: []Rule{
		rate(Client, 10, time.Second), rate(Credential, 2, time.Hour), rate(Credential, 2, time.Minute), rate(Tenant, 3, time.Hour),
		{Subject: Tenant, Unit: Messages, Kind: Quota, Amount: 5},
	}})
	for range 2 {
		wantText(t, l.Take(shop(client), Messages, 1), "")
	}
	for range 50 {
		wantText(t, l.Take(shop(client), Messages, 1), "450 4.7.1 limit of 2 messages an hour for credential shop reached; try again in 30 minutes")
	}
	other := Who{Client: client, Tenant: "acme"}
	wantText(t, l.Take(other, Messages, 1), "") // neither the client's 10 nor the tenant's 3 were touched
	wantText(t, l.Take(other, Messages, 1), "450 4.7.1 limit of 3 messages an hour for tenant acme reached; try again in 20 minutes")
	if m := l.Metrics(); m.Taken[Messages] != 3 || m.Refused[Credential] != 50 || m.Refused[Tenant] != 1 || m.Refused[Client] != 0 {
		t.Errorf("%+v", m)
	}
}

// Subjects are counted apart; an IPv6 customer has a /64, and IPv4 in IPv6 form is IPv4.
func TestSubjects(t *testing.T) {
	l := newLimiter(t, newClock(), Options{Rules: []Rule{
		rate(Client, 1, time.Hour), {Subject: Domain, Unit: Recipients, Amount: 1, Period: time.Hour}, rate(Sender, 1, time.Hour)}})
	for _, tc := range []struct {
		addr    string
		refused bool
	}{
		{"2001:db8::1", false}, {"2001:db8::ffff:0:0:1", true}, {"2001:db8:0:1::1", false}, {"192.0.2.1", false},
		{"::ffff:192.0.2.1", true}, {"192.0.2.2", false}, {"fe80::1%eth0", false}, {"fe80::2%eth1", true},
	} {
		if err := l.Take(Who{Client: netip.MustParseAddr(tc.addr)}, Messages, 1); (err != nil) != tc.refused {
			t.Errorf("%s: %v", tc.addr, err)
		}
	}
	for i, domain := range []string{"a.test", "A.test", "b.test"} {
		if err := l.Take(Who{Domain: domain}, Recipients, 1); (err != nil) != (i == 1) {
			t.Errorf("%s: %v", domain, err)
		}
	}
	for range 3 { // nothing counts what nobody is
		wantText(t, l.Take(Who{}, Messages, 1), "")
	}
	wantText(t, l.Take(Who{Client: netip.MustParseAddr("2001:db8::1")}, Messages, 1),
		"450 4.7.1 limit of 1 message an hour for client 2001:db8::/64 reached; try again in 60 minutes")
}

// A limit of one's own takes the place of everybody's, and what was used up before stays used up.
func TestOwnRules(t *testing.T) {
	everybody := []Rule{rate(Credential, 2, time.Hour), rate(Credential, 100, time.Minute)}
	l := newLimiter(t, newClock(), Options{Rules: everybody})
	shop, other := Who{Credential: "shop"}, Who{Credential: "other"}
	take := func(who Who, want int) {
		t.Helper()
		n := 0
		for ; n < 10 && l.Take(who, Messages, 1) == nil; n++ {
		}
		if n != want {
			t.Errorf("%d passed, want %d", n, want)
		}
	}
	take(shop, 2)
	own := Rule{Subject: Credential, For: "shop", Unit: Messages, Amount: 6, Period: time.Hour}
	network := Rule{Subject: Client, For: "2001:db8::5", Unit: Messages, Amount: 1, Period: time.Hour}
	if err := l.SetRules(append(everybody, own, network)); err != nil {
		t.Fatal(err)
	}
	take(shop, 0) // an hour of debt is an hour, whatever the rate
	take(other, 2)
	take(Who{Client: netip.MustParseAddr("2001:db8::6")}, 1)
	take(Who{Client: client}, 10)
	if err := l.SetRules([]Rule{{}}); err == nil {
		t.Error("a rule of nothing")
	}
	take(other, 0) // the old rules hold
}

func TestConnections(t *testing.T) {
	c := newClock()
	l := newLimiter(t, c, Options{Rules: []Rule{
		{Subject: Client, Unit: Connections, Kind: Concurrent, Amount: 2},
		{Subject: Client, Unit: Connections, Amount: 5, Period: time.Second},
		{Subject: Credential, Unit: Connections, Kind: Concurrent, Amount: 1},
	}})
	who := Who{Client: client}
	first, err := l.Connect(who)
	wantText(t, err, "")
	second, err := l.Connect(who)
	wantText(t, err, "")
	_, err = l.Connect(who)
	wantText(t, err, "421 4.7.0 limit of 2 connections at once for client 192.0.2.1 reached; try again when one has ended")
	wantText(t, first.Join(Who{Credential: "shop"}), "")
	wantText(t, second.Join(Who{Credential: "shop"}), "421 4.7.0 limit of 1 connection at once for credential shop reached; try again when one has ended")
	first.Leave()
	first.Leave()
	wantText(t, second.Join(Who{Credential: "shop"}), "")
	second.Leave()
	for range 3 { // the refused one did not count
		p, err := l.Connect(who)
		wantText(t, err, "")
		p.Leave()
	}
	_, err = l.Connect(who)
	wantText(t, err, "421 4.7.0 limit of 5 connections a second for client 192.0.2.1 reached; try again in 1 second")
	(*Presence)(nil).Leave()
	c.pass(time.Minute)
	for i := range l.shards {
		l.sweep(&l.shards[i], l.instant())
	}
	if m := l.Metrics(); m.Counts != 0 {
		t.Errorf("%+v", m)
	}
}

func TestRulesThatCannotBeMeant(t *testing.T) {
	good := rate(Client, 1, time.Second)
	for _, rules := range [][]Rule{
		{{}}, {rate(Client, 0, time.Second)}, {rate(Client, 1, time.Millisecond)}, {rate(Client, 1, 25*time.Hour)}, {rate(9, 1, time.Second)},
		{good, good}, {{Subject: Client, Kind: Concurrent, Amount: 1}}, {{Subject: Client, Kind: Quota, Amount: 1, Period: time.Hour}},
		{rate(Domain, 1, time.Hour)}, {{Subject: Sender, Unit: Connections, Amount: 1, Period: time.Hour}},
		{{Subject: Client, For: "x", Amount: 1, Period: time.Second}}, {{Subject: Client, For: "10.0.0.0/8", Amount: 1, Period: time.Second}},
		{{Subject: Client, Amount: 1, Period: time.Second, Burst: 2000}},
	} {
		if _, err := newRuleset(rules); err == nil {
			t.Errorf("%+v was taken", rules)
		} else if !strings.Contains(err.Error(), "limit:") {
			t.Error(err)
		}
	}
	var s Subject
	var u Unit
	var k Kind
	for _, err := range []error{s.UnmarshalText([]byte("domain")), u.UnmarshalText([]byte("connections")), k.UnmarshalText([]byte("quota"))} {
		if err != nil {
			t.Error(err)
		}
	}
	if s != Domain || u != Connections || k != Quota || k.UnmarshalText([]byte("x")) == nil {
		t.Error(s, u, k)
	}
}

func openStore(t testing.TB, fs vfs.FS) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{Dir: "policy", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// A restart keeps what was used up today, for names and addresses, and nothing of yesterday.
func TestQuotasSurviveRestart(t *testing.T) {
	fs, c := vfs.NewMem(), newClock()
	rules := []Rule{
		{Subject: Tenant, Unit: Messages, Kind: Quota, Amount: 5}, {Subject: Client, Unit: Messages, Kind: Quota, Amount: 4},
	}
	restart := func(take int) (passed int) {
		s := openStore(t, fs)
		l, err := New(t.Context(), Options{Rules: rules, Store: s, Now: c.now})
		if err != nil {
			t.Fatal(err)
		}
		for range take {
			if l.Take(shop(netip.MustParseAddr("2001:db8::1")), Messages, 1) == nil {
				passed++
			}
		}
		l.Close()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return passed
	}
	if got := fmt.Sprint(restart(1), restart(0), restart(2), restart(2), restart(2)); got != "1 0 2 1 0" {
		t.Error(got)
	}
	c.pass(20*time.Hour + 55*time.Minute) // 23:59
	if got := restart(1); got != 0 {
		t.Error("the day is not over")
	}
	c.pass(2 * time.Minute)
	if got := fmt.Sprint(restart(3), restart(3)); got != "3 1" {
		t.Error(got)
	}
	c.pass(48 * time.Hour)
	restart(0)
	s := openStore(t, fs)
	for e := range s.Scan(store.Quotas, nil) {
		t.Errorf("%q is left", e.Key)
	}
}

// Those who flood the table with names cannot push out what somebody owes, nor make it grow.
func TestBounded(t *testing.T) {
	c := newClock()
	l := newLimiter(t, c, Options{Subjects: 64 * 64, Rules: []Rule{
		rate(Client, 5, time.Hour), rate(Sender, 100, time.Minute), {Subject: Client, Unit: Connections, Kind: Concurrent, Amount: 1}}})
	for range 5 {
		wantText(t, l.Take(Who{Client: client}, Messages, 1), "")
	}
	p, err := l.Connect(Who{Client: client})
	wantText(t, err, "")
	for i := range 50_000 {
		who := Who{Sender: fmt.Sprint(i)}
		if l.Take(who, Messages, 1) != nil {
			t.Fatal("refused")
		}
		c.pass(time.Millisecond)
	}
	if l.Take(Who{Client: client}, Messages, 1) == nil {
		t.Error("the debt was forgotten")
	}
	if _, err := l.Connect(Who{Client: client}); err == nil {
		t.Error("the open connection was forgotten")
	}
	p.Leave()
	if m := l.Metrics(); m.Counts > 64*64 || m.EvictedFree == 0 {
		t.Errorf("%+v", m)
	}
}

// Quotas that had to make room are read again.
func TestQuotasSpill(t *testing.T) {
	l := newLimiter(t, newClock(), Options{Subjects: 64 * 4, Store: openStore(t, vfs.NewMem()), Rules: []Rule{{Subject: Sender, Unit: Messages, Kind: Quota, Amount: 2}}})
	for round := range 3 {
		for i := range 2000 {
			if err := l.Take(Who{Sender: fmt.Sprint(i)}, Messages, 1); (err != nil) != (round == 2) {
				t.Fatalf("round %d: %v", round, err)
			}
			if i%100 == 0 {
				l.save()
			}
		}
		l.save()
	}
	if m := l.Metrics(); m.Counts > 64*4+200 || m.EvictedOwing > 0 {
		t.Errorf("%+v", m)
	}
}

// Under contention exactly the amount passes, and open connections end at none.
func TestRace(t *testing.T) {
	l := newLimiter(t, newClock(), Options{Subjects: 1000, Store: openStore(t, vfs.NewMem()), Rules: []Rule{
		rate(Tenant, 500, time.Hour), rate(Client, 400, time.Hour), {Subject: Tenant, Unit: Messages, Kind: Quota, Amount: 300},
		{Subject: Client, Unit: Connections, Kind: Concurrent, Amount: 3}}})
	var passed, open, most atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 200 {
				if l.Take(shop(client), Messages, 1) == nil {
					passed.Add(1)
				}
				if p, err := l.Connect(Who{Client: client}); err == nil {
					if n := open.Add(1); n > most.Load() {
						most.Store(n)
					}
					open.Add(-1)
					p.Leave()
				}
				if i%50 == 0 {
					l.save()
					l.Metrics()
				}
			}
		})
	}
	all.Wait()
	if passed.Load() != 300 || most.Load() > 3 {
		t.Errorf("%d passed, %d open at once", passed.Load(), most.Load())
	}
	for range 3 {
		if _, err := l.Connect(Who{Client: client}); err != nil {
			t.Error(err)
		}
	}
}
