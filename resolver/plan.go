package resolver

import (
	"math/rand/v2"
	"net/netip"
	"time"
)

// plan is a finished route, or the finished finding that there is none, as it is kept and given to
// every caller until it expires. It is not changed once made.
type plan struct {
	route   Route // hosts by preference, then name; addresses by family
	failure *Failure
	expires time.Time
}

// weight is how much the plan counts in the cache: an address is one, and so is a failure.
func (p *plan) weight() int {
	n := 0
	for _, h := range p.route.Hosts {
		n += len(h.Addrs)
	}
	return max(1, n)
}

// give returns the route for one caller. Hosts of the same preference come in an order of chance
// (RFC 5321 5.1), and so do a host's addresses of the same family: a name server would turn them round with each
// answer, but we ask it only once in a while.
func (p *plan) give(cached bool) (Route, error) {
	if p.failure != nil {
		return Route{}, p.failure
	}
	r := p.route
	r.Cached = r.Cached || cached
	hosts := r.Hosts
	if len(hosts) == 1 && len(hosts[0].Addrs) == 1 {
		return r, nil
	}
	r.Hosts = make([]Host, len(hosts))
	copy(r.Hosts, hosts)
	for start := 0; start < len(hosts); {
		end := start + 1
		for end < len(hosts) && hosts[end].Preference == hosts[start].Preference {
			end++
		}
		shuffle(r.Hosts[start:end])
		start = end
	}
	for i := range r.Hosts {
		r.Hosts[i].Addrs = turned(r.Hosts[i].Addrs)
	}
	return r, nil
}

// turned returns addrs with each run of the same family turned round by chance. Turning keeps to neighbours
// what the server may have sorted by nearness; it needs no copy where there is nothing to turn.
func turned(addrs []netip.AddrPort) []netip.AddrPort {
	split := 1
	for split < len(addrs) && addrs[split].Addr().Is4() == addrs[0].Addr().Is4() {
		split++
	}
	if split <= 1 && len(addrs)-split <= 1 {
		return addrs
	}
	out := make([]netip.AddrPort, 0, len(addrs))
	for _, run := range [2][]netip.AddrPort{addrs[:split], addrs[split:]} {
		if len(run) > 0 {
			n := rand.IntN(len(run))
			out = append(append(out, run[n:]...), run[:n]...)
		}
	}
	return out
}

func shuffle[T any](s []T) {
	if len(s) > 1 {
		rand.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
	}
}
