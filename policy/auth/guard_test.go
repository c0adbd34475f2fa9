package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

func newGuard(t *testing.T, o GuardOptions) (*Guard, *time.Time) {
	clock := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	o.Now = func() time.Time { return clock }
	return NewGuard(o), &clock
}

func wantCode(t *testing.T, err error, code int) {
	t.Helper()
	var st message.Status
	if errors.As(err, &st); st.Code != code || code != 0 && st.Enhanced != (message.EnhancedCode{4, 7, 0}) {
		t.Errorf("%v, want %d", err, code)
	}
}

func TestGuardBansAddress(t *testing.T) {
	g, clock := newGuard(t, GuardOptions{})
	var waits []time.Duration
	for i := range 10 {
		wantCode(t, g.Address(here), 0)
		waits = append(waits, g.Failed(here, fmt.Sprint("name", i), uint64(i)))
	}
	if got := fmt.Sprint(waits[:6]); got != "[500ms 1s 2s 4s 5s 5s]" {
		t.Error(got)
	}
	wantCode(t, g.Address(here), 421)
	wantCode(t, g.Admit(here, "app"), 421)
	wantCode(t, g.Admit(there, "app"), 0)
	if got := g.Address(here).Error(); got != "421 4.7.0 Too many failed logins, try again in 15 min" {
		t.Error(got)
	}
	*clock = clock.Add(15 * time.Minute)
	wantCode(t, g.Address(here), 0)
	for i := range 3 { // three were forgotten meanwhile
		wantCode(t, g.Address(here), 0)
		g.Failed(here, "app", uint64(i))
	}
	*clock = clock.Add(29 * time.Minute)
	wantCode(t, g.Address(here), 421) // the second is twice as long
	*clock = clock.Add(time.Minute)
	wantCode(t, g.Address(here), 0)
	*clock = clock.Add(time.Hour)
	if got := g.Failed(here, "app", 1); got != 500*time.Millisecond {
		t.Errorf("after an hour without failures the first waits %v", got)
	}
}

// An IPv6 customer has a /64; IPv4 in IPv6 form is IPv4.
func TestGuardSites(t *testing.T) {
	g, _ := newGuard(t, GuardOptions{AddressFailures: 1, Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	for _, a := range []string{"2001:db8::1", "::ffff:192.0.2.1", "127.0.0.1", "fe80::1%eth0"} {
		g.Failed(netip.MustParseAddr(a), "x", 0)
	}
	g.Failed(netip.Addr{}, "x", 0)
	for a, code := range map[string]int{
		"2001:db8::ffff:0:0:1": 421, "2001:db8:0:1::1": 0, "192.0.2.1": 421, "192.0.2.2": 0, "127.0.0.1": 0, "fe80::1": 421,
	} {
		t.Run(a, func(t *testing.T) { wantCode(t, g.Address(netip.MustParseAddr(a)), code) })
	}
	wantCode(t, g.Address(netip.Addr{}), 0)
}

// Guesses at a name from everywhere keep strangers away from it, not the program whose name it is.
func TestGuardBansName(t *testing.T) {
	g, clock := newGuard(t, GuardOptions{NameFailures: 20})
	g.Succeeded(here, "app")
	for i := range 20 {
		g.Failed(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), "app", uint64(i))
	}
	wantCode(t, g.Address(there), 0)
	wantCode(t, g.Admit(there, "app"), 454)
	wantCode(t, g.Admit(there, "other"), 0)
	wantCode(t, g.Admit(here, "app"), 0)
	if bans := g.Bans(); len(bans) != 1 || bans[0].Name != "app" || bans[0].Until.Sub(*clock) != 15*time.Minute {
		t.Errorf("%+v", bans)
	}
	// One who shares its address has no free hand.
	for i := range knownFailures {
		wantCode(t, g.Admit(here, "app"), 0)
		g.Failed(here, "app", uint64(100+i))
	}
	wantCode(t, g.Admit(here, "app"), 421)
	if !g.ForgiveName("APP") || !g.Forgive(here) || g.Forgive(here) {
		t.Error("nothing to forgive")
	}
	wantCode(t, g.Admit(there, "app"), 0)
	wantCode(t, g.Admit(here, "app"), 0)
}

// One program behind an address with a secret that is not good any more does not harm the others there.
func TestGuardSharedAddress(t *testing.T) {
	g, _ := newGuard(t, GuardOptions{})
	g.Succeeded(here, "good")
	for range 100 {
		g.Failed(here, "stale", 42)
	}
	wantCode(t, g.Admit(here, "stale"), 0)
	for i := range 10 { // SCRAM does not show that it is always the same
		_ = i
		g.Failed(here, "stale", 0)
	}
	wantCode(t, g.Address(here), 0)
	wantCode(t, g.Admit(here, "stale"), 421)
	wantCode(t, g.Admit(here, "new"), 421)
	wantCode(t, g.Admit(here, "good"), 0)
}

func TestGuardBounded(t *testing.T) {
	g, _ := newGuard(t, GuardOptions{Size: 100, AddressFailures: 2})
	g.Failed(here, "app", 1)
	g.Failed(here, "app", 2)
	for i := range 10_000 {
		a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		g.Failed(a, a.String(), 1)
		g.Succeeded(a, a.String())
	}
	if len(g.addresses) > 100 || len(g.names) > 100 || len(g.known) > 200 {
		t.Errorf("%d %d %d", len(g.addresses), len(g.names), len(g.known))
	}
	wantCode(t, g.Address(here), 421) // not pushed out by those that are not banned
}

// A ban comes before any work, and the delay is waited for outside of all locks.
func TestFailuresWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := OpenBook(ctx, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		b.cost = cheap()
		a := New(b, NewGuard(GuardOptions{AddressFailures: 3}), nil)
		w := &world{t: t, auth: a}
		begin := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			if _, err := w.login(here, "nobody", "one"); err != ErrFailed {
				t.Error(err)
			}
		}()
		synctest.Wait()
		if _, err := w.login(there, "nobody", "two"); err != ErrFailed {
			t.Error(err)
		}
		<-done
		if took := time.Since(begin); took != time.Second { // the second guess at the name; both at the same time
			t.Errorf("took %v", took)
		}
		for i := range 2 {
			_, err := w.login(here, "nobody", fmt.Sprint(i))
			if err != ErrFailed {
				t.Error(err)
			}
		}
		before := a.Metrics()
		_, err = w.login(here, "nobody", "five")
		wantCode(t, err, 421)
		if m := a.Metrics(); m.Failed != before.Failed || m.Banned != before.Banned+1 {
			t.Errorf("%+v", m)
		}
	})
}
