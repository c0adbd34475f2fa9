package policy

import (
	"net/netip"
	"testing"

	"github.com/posthaste-mta/posthaste/message"
)

func TestMayRelay(t *testing.T) {
	a := DefaultAccess()
	a.RelayNetworks = append(a.RelayNetworks, netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("fe80::/64"))
	a.RelayDomains = NewDomainSet("Backup.test", ".sub.test")
	for _, c := range []struct {
		client, to string
		want       bool
	}{
		{"127.0.0.1", "bob@example.net", true},
		{"::ffff:127.0.0.1", "bob@example.net", true},
		{"::1", "bob@example.net", true},
		{"192.0.2.77", "bob@example.net", true},
		{"192.0.2.77", "bob%example.net@other.test", true},
		{"fe80::1%eth0", "bob@example.net", true},
		{"198.51.100.1", "bob@example.net", false},
		{"198.51.100.1", "bob@backup.test", true},
		{"198.51.100.1", "bob@x.backup.test", false},
		{"198.51.100.1", "bob@xbackup.test", false},
		{"198.51.100.1", "bob@backup.test.evil.test", false},
		{"198.51.100.1", "bob@x.sub.test", true},
		{"198.51.100.1", "bob@sub.test", false},
		{"198.51.100.1", "bob@[127.0.0.1]", false},
		{"198.51.100.1", "bob%example.net@backup.test", false},
		{"198.51.100.1", "example.net!bob@backup.test", false},
		{"198.51.100.1", `"bob@example.net"@backup.test`, false},
		{"2001:db8::1", "bob@example.net", false},
	} {
		to, err := message.ParseAddress(c.to, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.MayRelay(netip.MustParseAddr(c.client), to); got != c.want {
			t.Errorf("%s to %s: %v", c.client, c.to, got)
		}
	}
	if a.Trusted(netip.Addr{}) || new(Access).Trusted(netip.IPv6Loopback()) {
		t.Error("trusts nobody knows whom")
	}
}

func TestPoolPick(t *testing.T) {
	a, b := Source{Name: "a"}, Source{Name: "b"}
	p := &Pool{Members: []Member{{a, 1}, {Source{Name: "idle"}, 0}, {b, 3}, {Source{Name: "off"}, -5}}}
	for rnd, want := range map[float64]string{0: "a", 0.24: "a", 0.25: "b", 0.99: "b", 1: "b"} {
		if got, ok := p.Pick(rnd); !ok || got.Name != want {
			t.Errorf("rnd %v: %q, %v", rnd, got.Name, ok)
		}
	}
	for _, none := range []*Pool{nil, {}, {Members: []Member{{a, 0}}}} {
		if got, ok := none.Pick(0.5); ok || got != (Source{}) {
			t.Errorf("%+v: %+v", none, got)
		}
	}
	pools := Pools{Default: p, Domains: map[string]*Pool{".x.test": {Name: "x"}}}
	if pools.For("a.x.test").Name != "x" || pools.For("y.test") != p || new(Pools).For("y.test") != nil {
		t.Error("pool of a domain")
	}
}
