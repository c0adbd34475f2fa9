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
	// remembered are suspensions of the run before.
	remembered remembered
}

func (t *laneTable) init(r *Relay) {
	t.relay = r
	t.lanes = make(map[laneKey]*lane)
	t.domains = make(map[string]*laneDomain)
	t.remembered = remember(r.queue)
}

// attachKnown offers a domain's mail to the lane that served it last, if the route and the policy still hold.
func (t *laneTable) attachKnown(domain string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.domains[domain]
	if d == nil || d.stale(t.relay.policy.Load(), time.Now()) {
		return false
	}
	d.lane.offer(d)
	return true
}

// attach offers a domain's mail to the lane of its route, which took so long to find. p was in force when it was
// asked for; if it is no longer, the domain is resolved again.
func (t *laneTable) attach(domain string, route resolver.Route, took time.Duration, p *Policy) {
	key := laneKey{site: route.Site, limits: p.Shaping.For(domain, route.Site)}
	slots := t.relay.slots
	if key.local = route.Kind == resolver.KindLocal; key.local {
		slots = t.relay.localSlots
	} else {
		key.source = p.sourceFor(domain)
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	if p != t.relay.policy.Load() {
		t.relay.resolve(domain) // reroute may have been here
		return
	}
	l := t.lanes[key]
	fresh := l == nil
	if fresh {
		l = &lane{relay: t.relay, key: key, slots: slots, known: make(map[string]*laneDomain)}
		t.lanes[key] = l
	}
	d := t.domains[domain]
	if d == nil || d.lane != l {
		t.forget(d)
		d = &laneDomain{name: domain, lane: l}
		if len(t.domains) < maxKnownDomains {
			t.domains[domain] = d
			l.known[domain] = d
		}
	}
	l.mu.Lock()
	l.route, l.routeTook, l.deserted = route, took, false
	d.expires, d.policy = route.Expires, p
	if fresh {
		t.recall(l)
	}
	l.mu.Unlock()
	l.offer(d)
}

// forget takes a domain from its lane, as it goes to another one from now on.
//
// REQUIRES t.mu.
func (t *laneTable) forget(d *laneDomain) {
	if d == nil {
		return
	}
	delete(t.domains, d.name)
	delete(d.lane.known, d.name)
	d.lane.releaseShelved(d.name)
	if len(d.lane.known) == 0 {
		d.lane.desert()
	}
}

// retire forgets l when it has no mail, no connections and nothing to remember.
func (t *laneTable) retire(l *lane) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retireLocked(l)
}

// REQUIRES t.mu.
func (t *laneTable) retireLocked(l *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	switch {
	case l.workers > 0, l.draining, l.inLine, len(l.ring) > 0, len(l.shelved) > 0, t.lanes[l.key] != l:
		return
	case now.Before(l.suspendedUntil), l.owes(now):
		return // else the next mail would not know
	}
	delete(t.lanes, l.key)
	l.unmemorize()
	for name, d := range l.known {
		if t.domains[name] == d {
			delete(t.domains, name)
		}
	}
}

// sweep retires lanes that had something to remember when their last mail left and were not heard of since. It
// ends with the relay's leasing.
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
		t.remembered.expire(t.relay.queue)
		t.mu.Unlock()
	}
}

// wakeAll wakes every idle worker, so that it sees that the relay stops.
func (t *laneTable) wakeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.lanes {
		l.mu.Lock()
		l.wakeIdle()
		l.mu.Unlock()
	}
}

// reroute has all mail routed anew that is not under way: a lane that the new policy does not want opens no more
// connections, for which it may be waiting, beside those of the lane that takes its place.
func (t *laneTable) reroute() {
	t.releaseShelved()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.lanes {
		for _, domain := range l.clear() {
			t.relay.resolve(domain)
		}
	}
}

// releaseShelved gives back the mail of all lanes that waits for memory: no more is sent, or it is to be routed anew.
func (t *laneTable) releaseShelved() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.lanes {
		l.releaseShelved("")
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
	t.forgetRemembered()
	for _, l := range t.lanes {
		l.mu.Lock()
		l.suspendedUntil = time.Time{}
		l.unmemorize()
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
