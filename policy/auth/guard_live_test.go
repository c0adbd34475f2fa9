package auth

import (
	"net/netip"
	"testing"
)

// Bans are counted, and the networks that are not banned can change.
func TestGuardCountsBans(t *testing.T) {
	g := NewGuard(GuardOptions{AddressFailures: 2, NameFailures: 3})
	home := netip.MustParseAddr("10.1.2.3")
	count := func(addresses, names int) {
		t.Helper()
		if a, n := g.Banned(); a != addresses || n != names {
			t.Errorf("%d addresses and %d names are banned, want %d and %d", a, n, addresses, names)
		}
	}
	count(0, 0)
	for range 2 {
		g.Failed(home, "app", 0)
	}
	count(1, 0)
	g.Failed(netip.MustParseAddr("192.0.2.1"), "app", 0)
	count(1, 1)
	if g.Address(home) == nil {
		t.Error("not banned")
	}
	g.SetExempt([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	count(0, 1)
	if err := g.Address(home); err != nil {
		t.Errorf("exempt: %v", err)
	}
	g.SetExempt(nil)
	count(1, 1)
}
