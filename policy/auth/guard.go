package auth

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// GuardOptions say how failures are counted. Zero values mean the defaults.
type GuardOptions struct {
	// AddressFailures is how many failures from one address (IPv4 /32, IPv6 /64) bring a ban: 10.
	AddressFailures int
	// NameFailures is how many for one name, from anywhere, keep clients out that have not logged in
	// with it lately: 50.
	NameFailures int
	// Forget is the time after which one failure is forgotten: 5 min.
	Forget time.Duration
	// Ban is the length of the first ban: 15 min. Each one that follows soon is twice as long, to 16 times.
	Ban time.Duration
	// Delay is how long the answer to a first failure waits: 500 ms. It doubles with each, up to MaxDelay: 5 s.
	Delay, MaxDelay time.Duration
	// Exempt are networks whose addresses are delayed but not banned, such as our own.
	Exempt []netip.Prefix
	// Size bounds the addresses, and the names, that are remembered: 16,384 of each.
	Size int
	// Now is the clock; nil means the real one.
	Now func() time.Time
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// knownFor is how long a client that logged in well is let through a ban that others brought on.
const knownFor = 7 * 24 * time.Hour

// knownFailures is how many failures use that up.
const knownFailures = 10

// Guard counts failed logins and says who must wait. It never asks whether a name exists. Safe for concurrent use.
type Guard struct {
	o GuardOptions

	mu        sync.Mutex
	addresses map[netip.Addr]strikes
	names     map[string]strikes
	// known has the clients that have logged in, by address and name, and under "" by address alone.
	known map[client]time.Time
}

type client struct {
	addr netip.Addr
	name string
}

// NewGuard returns a Guard.
func NewGuard(o GuardOptions) *Guard {
	setDefault(&o.AddressFailures, 10)
	setDefault(&o.NameFailures, 50)
	setDefault(&o.Forget, 5*time.Minute)
	setDefault(&o.Ban, 15*time.Minute)
	setDefault(&o.Delay, 500*time.Millisecond)
	setDefault(&o.MaxDelay, 5*time.Second)
	setDefault(&o.Size, 16384)
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Guard{o: o, addresses: make(map[netip.Addr]strikes), names: make(map[string]strikes), known: make(map[client]time.Time)}
}

// SetExempt replaces the networks that are not banned. What was counted of their addresses stays, so that a ban may
// come into force with one that goes.
func (g *Guard) SetExempt(list []netip.Prefix) {
	list = slices.Clone(list)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.o.Exempt = list
}

// site is what an address counts for: one customer's network is an IPv6 /64.
func site(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return addr
	}
	p, _ := addr.Prefix(64)
	return p.Addr()
}

// REQUIRES g.mu.
func (g *Guard) exempt(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() { // a local socket: all its clients are one address
		return true
	}
	for _, p := range g.o.Exempt {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Address tells whether the address is banned: 421 4.7.0, or nil. One from which somebody has logged in
// lately passes here, so that one wrong program does not close the house to the others; Admit then looks at the name.
func (g *Guard) Address(addr netip.Addr) error { return g.admit(addr, "") }

// Admit tells whether a login of this name from this address may be checked: nil, 421 4.7.0 if the
// address is banned, or 454 4.7.0 if the name is.
func (g *Guard) Admit(addr netip.Addr, name string) error { return g.admit(addr, name) }

func (g *Guard) admit(addr netip.Addr, name string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.o.Now()
	from := site(addr)
	if now.Before(g.known[client{from, name}]) {
		return nil
	}
	if left := g.addresses[from].banned.Sub(now); left > 0 && !g.exempt(addr) {
		return banned(421, left)
	}
	if left := g.names[name].banned.Sub(now); left > 0 && name != "" {
		return banned(454, left)
	}
	return nil
}

// Failed counts a failure and returns how long its answer must wait. guess stands for the name and secret that
// were tried, 0 for unknown: the same again from the same place is a program that was not told
// of a new secret, not a guess, and is slowed but not counted.
func (g *Guard) Failed(addr netip.Addr, name string, guess uint64) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.o.Now()
	a := count(g, g.addresses, site(addr), g.o.AddressFailures, guess, now)
	n := count(g, g.names, name, g.o.NameFailures, guess, now)
	if c := (client{site(addr), name}); !g.known[c].IsZero() {
		// Else whoever shares the address of a known client could guess at its name for ever.
		if g.known[c] = g.known[c].Add(-knownFor / knownFailures); !now.Before(g.known[c]) {
			delete(g.known, c)
		}
	}
	wait := g.o.Delay
	for range max(a, n) - 1 {
		if wait *= 2; wait >= g.o.MaxDelay {
			return g.o.MaxDelay
		}
	}
	return min(wait, g.o.MaxDelay)
}

// Succeeded remembers a client by its good login. It forgives no failures: with one good account, an
// attacker could otherwise guess at others for ever.
func (g *Guard) Succeeded(addr netip.Addr, name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	until := g.o.Now().Add(knownFor)
	for _, c := range []client{{site(addr), name}, {site(addr), ""}} {
		if _, ok := g.known[c]; !ok && len(g.known) >= 2*g.o.Size {
			evict(g.known, func(t time.Time) int64 { return t.UnixNano() })
		}
		g.known[c] = until
	}
}
