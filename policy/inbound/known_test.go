package inbound

import (
	"net/netip"
	"testing"
	"time"
)

// A verdict holds for a while and without a question, for the same client and domain, if only these two were looked at.
func TestKnownSPF(t *testing.T) {
	z := parseZone(t, `
plain.test TXT "v=spf1 ip4:192.0.2.0/24 -all"
included.test TXT "v=spf1 include:macro.test -all"
macro.test TXT "v=spf1 exists:%{l}.macro.test -all"
ann.macro.test A 127.0.0.2
down.test SERVFAIL
`)
	now := time.Now()
	c := newChecker(t, z, Config{Now: func() time.Time { return now }})
	session := func(from, addr string) Session {
		return Session{Addr: netip.MustParseAddr(addr), HELO: "client.test", MailFrom: from}
	}
	for _, step := range []struct {
		after      time.Duration
		from, addr string
		known      bool
		want       Value
	}{
		{0, "ann@plain.test", "192.0.2.1", false, Pass},
		{0, "bob@plain.test", "192.0.2.1", true, Pass},
		{0, "ann@plain.test", "::ffff:192.0.2.1", true, Pass},
		{0, "ann@plain.test", "198.51.100.1", false, Fail},
		{keepFor - 1, "ann@plain.test", "198.51.100.1", true, Fail},
		{1, "ann@plain.test", "198.51.100.1", false, Fail},
		{0, "ann@macro.test", "192.0.2.1", false, Pass},
		{0, "bob@macro.test", "192.0.2.1", false, Fail},
		{0, "ann@included.test", "192.0.2.1", false, Pass},
		{0, "bob@included.test", "192.0.2.1", false, Fail},
		{0, "ann@down.test", "192.0.2.1", false, TempError},
		{0, "ann@down.test", "192.0.2.1", false, TempError},
		{0, "ann@nowhere.test", "192.0.2.1", false, None},
		{0, "ann@nowhere.test", "192.0.2.1", true, None},
		{0, "ann@[192.0.2.1]", "192.0.2.1", true, None},
	} {
		now = now.Add(step.after)
		s := session(step.from, step.addr)
		known, ok := c.KnownSPF(s)
		got := c.SPF(t.Context(), s)
		if ok != step.known || got.Value != step.want || ok && known != got {
			t.Errorf("%s from %s: %+v; known: %v, %+v", step.from, step.addr, got, ok, known)
		}
	}
	if z.asked["plain.test"] != 3 {
		t.Errorf("asked %d times", z.asked["plain.test"])
	}
}

// What was found out about a client holds for a while, unless somebody did not answer.
func TestKnownClient(t *testing.T) {
	z := parseZone(t, `
1.2.0.192.in-addr.arpa PTR one.test.
one.test A 192.0.2.1
1.100.51.198.bl.test A 127.0.0.2
1.113.0.203.bl.test SERVFAIL
`)
	z.broken["1.0.18.198.in-addr.arpa"] = "SERVFAIL"
	now := time.Now()
	c := newChecker(t, z, Config{Now: func() time.Time { return now }, Lists: []List{{Zone: "bl.test"}}})
	for _, step := range []struct {
		after time.Duration
		addr  string
		known bool
		want  Value
		lists bool
	}{
		{0, "192.0.2.1", false, Pass, false},
		{0, "::ffff:192.0.2.1", true, Pass, false},
		{keepFor, "192.0.2.1", false, Pass, false},
		{0, "198.51.100.1", false, PermError, true},
		{0, "198.51.100.1", true, PermError, true},
		{0, "203.0.113.1", false, PermError, false}, // the list does not answer
		{0, "203.0.113.1", false, PermError, false},
		{0, "198.18.0.1", false, TempError, false}, // no answer about the name
		{0, "198.18.0.1", false, TempError, false},
	} {
		now = now.Add(step.after)
		addr := netip.MustParseAddr(step.addr)
		_, ok := c.KnownClient(addr)
		got := c.Client(t.Context(), addr)
		if ok != step.known || got.Reverse.Value != step.want || got.Lists[0].Listed() != step.lists || got.Addr != addr.Unmap() {
			t.Errorf("%s: %+v; known: %v", step.addr, got, ok)
		}
	}
}
