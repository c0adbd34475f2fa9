package relay

import (
	"sort"
	"sync"
	"time"

	"github.com/posthaste-mta/posthaste/resolver"
)

// maxKnownDomains bounds the domains that are remembered with their lane after their mail has gone.
const maxKnownDomains = 200_000

// laneTable finds the lane of a domain. Lanes that have neither workers nor mail are forgotten.
//
// Lock order: laneTable.mu before lane.mu.
type laneTable struct {
	relay   *Relay
	mu      sync.Mutex
	lanes   map[laneKey]*lane
	domains map[string]*laneDomain
	changed time.Time // when outdate was called
}

func (t *laneTable) init(r *Relay) {
	t.relay = r
	t.lanes = make(map[laneKey]*lane)
	t.domains = make(map[string]*laneDomain)
}

// attachKnown offers a domain's mail to the lane that served it last, if the route still holds.
func (t *laneTable) attachKnown(domain string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.domains[domain]
	if d == nil || (!d.route.Expires.IsZero() && time.Now().After(d.route.Expires)) {
		return false
	}
	d.lane.offer(d)
	return true
}

// attach offers a domain's mail to the lane of its route, which took so long to find.
func (t *laneTable) attach(domain string, route resolver.Route, took time.Duration) {
	p := t.relay.policy.Load()
	source := p.sourceFor(domain)
	key := laneKey{source: source.Name, site: route.Site}
	limits := p.Shaping.For(domain, route.Site)

	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); now.Add(-took).Before(t.changed) {
		route.Expires = now // it was asked for before the change
	}
	l := t.lanes[key]
	if l == nil {
		l = &lane{relay: t.relay, key: key, source: source, known: make(map[string]*laneDomain)}
		t.lanes[key] = l
	}
	l.mu.Lock()
	l.route, l.limits, l.routeTook = route, limits, took
	l.mu.Unlock()

	d := t.domains[domain]
	if d == nil || d.lane != l {
		d = &laneDomain{name: domain, lane: l}
		if len(t.domains) < maxKnownDomains {
			t.domains[domain] = d
			l.known[domain] = d
		} else {
			delete(t.domains, domain)
		}
	}
	l.mu.Lock()
	d.route = route
	l.mu.Unlock()
	l.offer(d)
}

// outdate has every domain resolved again before its next mail, because routes or limits have changed.
// Without it a domain that never runs out of mail would keep a static route, which does not expire,
// and the limits of its lane for ever.
func (t *laneTable) outdate() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changed = time.Now()
	for _, l := range t.lanes {
		l.mu.Lock()
		for _, d := range l.known {
			d.route.Expires = t.changed
		}
		for _, d := range l.ring { // those that could not be remembered
			d.route.Expires = t.changed
		}
		l.mu.Unlock()
	}
}

// retire forgets l when nothing is left of it but the memory of a failure that is over.
func (t *laneTable) retire(l *lane) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retireLocked(l)
}

// REQUIRES t.mu.
func (t *laneTable) retireLocked(l *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.workers > 0 || l.draining || l.inLine || len(l.ring) > 0 || time.Now().Before(l.suspendedUntil) || t.lanes[l.key] != l {
		return
	}
	delete(t.lanes, l.key)
	for name, d := range l.known {
		if t.domains[name] == d {
			delete(t.domains, name)
		}
	}
}

// sweep retires lanes that were suspended when their last mail left and were not heard of since. It ends
// with the relay's leasing.
func (t *laneTable) sweep() {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-t.relay.leasing.Done():
			return
		}
		t.mu.Lock()
		for _, l := range t.lanes {
			t.retireLocked(l)
		}
		t.mu.Unlock()
	}
}

// wakeAll wakes every idle worker, so that it sees that the relay stops.
func (t *laneTable) wakeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.lanes {
		l.mu.Lock()
		for _, w := range l.idle {
			w.wake <- struct{}{}
		}
		l.idle = nil
		l.mu.Unlock()
	}
}

// domainsOf returns the domains known to be served by a site's lanes.
func (t *laneTable) domainsOf(site string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := map[string]bool{}
	var domains []string
	for key, l := range t.lanes {
		if key.site != site {
			continue
		}
		for name := range l.known {
			if !seen[name] {
				seen[name] = true
				domains = append(domains, name)
			}
		}
	}
	sort.Strings(domains)
	return domains
}

// resume ends the suspension of all lanes: an operator wants mail tried now.
func (t *laneTable) resume() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.lanes {
		l.mu.Lock()
		l.suspendedUntil = time.Time{}
		l.mu.Unlock()
	}
}

// count returns how many lanes there are, and how many of them are suspended.
func (t *laneTable) count() (lanes, suspended int) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.lanes {
		l.mu.Lock()
		if now.Before(l.suspendedUntil) {
			suspended++
		}
		l.mu.Unlock()
	}
	return len(t.lanes), suspended
}
