package auth

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// strikes are the failures of one address or name. They leak: clear is when the last is forgotten.
type strikes struct {
	clear  time.Time
	banned time.Time // until then
	bans   int       // that followed one another
	guess  uint64    // the last one
}

const maxBanDoublings = 4

// count adds a failure to a key's and returns how many are not forgotten; a ban when they are too many.
func count[K comparable](g *Guard, m map[K]strikes, key K, limit int, guess uint64, now time.Time) int {
	s, ok := m[key]
	if !ok && len(m) >= g.o.Size {
		evict(m, func(s strikes) int64 { return max(s.clear.UnixNano(), s.banned.UnixNano()) })
	}
	if s.clear.Before(now) {
		s.clear = now
		if !now.Before(s.banned) {
			s.bans = 0
		}
	}
	if guess == 0 || guess != s.guess {
		s.clear = s.clear.Add(g.o.Forget)
	}
	s.guess = guess
	failures := int((s.clear.Sub(now) + g.o.Forget - 1) / g.o.Forget)
	if failures >= limit && !now.Before(s.banned) {
		s.banned = now.Add(g.o.Ban << s.bans)
		s.bans = min(s.bans+1, maxBanDoublings)
	}
	m[key] = s
	return max(failures, 1)
}

// Ban is an address or a name that is kept out.
type Ban struct {
	Address netip.Addr // invalid for a ban of a name; the first of its /64 for IPv6
	Name    string     // as the client said it; untrusted
	Until   time.Time
}

// Bans returns the bans in force, the longest first.
func (g *Guard) Bans() []Ban {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.o.Now()
	var list []Ban
	for a, s := range g.addresses {
		if now.Before(s.banned) {
			list = append(list, Ban{Address: a, Until: s.banned})
		}
	}
	for n, s := range g.names {
		if now.Before(s.banned) {
			list = append(list, Ban{Name: n, Until: s.banned})
		}
	}
	slices.SortFunc(list, func(x, y Ban) int {
		return cmp.Or(y.Until.Compare(x.Until), x.Address.Compare(y.Address), cmp.Compare(x.Name, y.Name))
	})
	return list
}

// Banned returns how many bans of addresses, exempt ones left out, and of names are in force.
func (g *Guard) Banned() (addresses, names int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.o.Now()
	for a, s := range g.addresses {
		if now.Before(s.banned) && !g.exempt(a) {
			addresses++
		}
	}
	for _, s := range g.names {
		if now.Before(s.banned) {
			names++
		}
	}
	return addresses, names
}

// Forgive forgets the failures of an address, and reports whether there were any.
func (g *Guard) Forgive(addr netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.addresses[site(addr)]
	delete(g.addresses, site(addr))
	return ok
}

// ForgiveName forgets the failures for a name, and reports whether there were any.
func (g *Guard) ForgiveName(name string) bool {
	key := guardName(name)
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.names[key]
	delete(g.names, key)
	return ok
}

// guardName is what the failures for a name are counted under, also for what can be no name.
func guardName(name string) string {
	if key, ok := nameKey(name); ok {
		return key
	}
	return "?" // all of them together: there is none to protect, and names cost memory
}
