package relay

import (
	"slices"
	"sync"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/resolver"
)

// laneKey names a lane: limits belong to a site, and a site counts them by source. A domain that has limits of
// its own does not share a lane with the site's others: neither its TLS policy nor its pace may be
// decided by whichever of them was looked up last.
type laneKey struct {
	source policy.Source
	site   string
	limits policy.Limits
}

// lane is the delivery workers and open connections for one source and one site. It holds no mail:
// a worker that is free leases the next due group of the next domain in turn.
type lane struct {
	relay *Relay
	key   laneKey
	known map[string]*laneDomain // every domain attached; guarded by the table's lock

	mu    sync.Mutex
	route resolver.Route // the newest of any domain of the site; its hosts are the site's
	// routeTook is how long it took to find, for the first connection that uses it.
	routeTook time.Duration
	ring      []*laneDomain // domains with due mail, served in turn
	cursor    int
	idle      []*worker // connected, waiting for mail; the last one in is the first one out
	// workers counts all; opening those among them that have no connection yet.
	workers, opening int
	nextStart        time.Time // when the next message may start under MessagesPerSecond
	pacing           int       // workers that wait for it

	// While suspended, the site cannot be reached: due mail is deferred with the reason at once.
	suspendedUntil time.Time
	reason         message.Status
	reasonFacts    *peerFacts
	failures       int  // in a row
	draining       bool // a goroutine is deferring due mail

	// The site refused a further connection while others were open: do not ask again before.
	ceiling      int
	ceilingUntil time.Time

	// wanted is since when mail has been waiting while all open connections were busy, or since when the last
	// one was opened for it; zero if none waits. connectTook is how long a connection took to open.
	wanted      time.Time
	connectTook time.Duration
	watching    bool // a timer will look again

	inLine   bool // waits for one of the process's connections
	deserted bool // all its domains have gone to other lanes
}

// How long mail waits for an open connection before another is opened is what opening takes, within these.
const (
	minPatience = time.Millisecond
	maxPatience = 250 * time.Millisecond
)

// laneDomain is a domain that is or was served by a lane.
type laneDomain struct {
	name string
	lane *lane
	// expires and policy tell how long it may stay in the lane; guarded by lane.mu.
	expires time.Time
	policy  *Policy
	// ready tells that it stands in the ring, offers how often it was announced. Who finds it empty may take
	// it out only if it was not announced since before he looked: several look at once, and the one
	// that is slow to say so must not undo an announcement. Both are guarded by lane.mu.
	ready  bool
	offers uint
}

// stale tells that the domain must be resolved again: its route is out of date, or the policy has changed.
func (d *laneDomain) stale(p *Policy, now time.Time) bool {
	d.lane.mu.Lock()
	defer d.lane.mu.Unlock()
	return d.staleLocked(p, now)
}

// REQUIRES d.lane.mu.
func (d *laneDomain) staleLocked(p *Policy, now time.Time) bool {
	return d.policy != p || !d.expires.IsZero() && now.After(d.expires)
}

// offer is told that d has due mail.
func (l *lane) offer(d *laneDomain) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d.offers++
	if d.ready {
		return
	}
	d.ready = true
	l.ring = append(l.ring, d)
	l.staff()
}

// staff sees to it that somebody works on the ring: an idle worker, a new one, or while the site
// is suspended the goroutine that defers.
//
// REQUIRES l.mu.
func (l *lane) staff() {
	if len(l.ring) == 0 || l.relay.leasing.Err() != nil || l.pacing > 0 {
		return // who waits for the rate takes what is there, and asks again
	}
	if n := len(l.idle); n > 0 {
		w := l.idle[n-1]
		l.idle = l.idle[:n-1]
		w.wake <- struct{}{}
		return
	}
	now := time.Now()
	if now.Before(l.suspendedUntil) {
		if !l.draining {
			l.draining = true
			l.relay.work.Go(l.drain)
		}
		return
	}
	limit := l.key.limits.Connections
	if l.ceiling > 0 && now.Before(l.ceilingUntil) {
		limit = min(limit, l.ceiling)
	}
	// Connections are opened one beyond the open ones at a time, and only for mail that an open one does not
	// take as soon as a new one could: a burst of little mail opens no connections for nothing.
	if l.workers < limit && l.opening <= (l.workers-l.opening) && l.impatient(now) && l.relay.slots.take(l) {
		w := &worker{lane: l, wake: make(chan struct{}, 1), evicted: make(chan struct{}, 1)}
		l.workers++
		l.opening++
		l.relay.work.Go(w.run)
	}
}

// impatient tells whether mail has waited for an open connection as long as it takes to open another. If not
// yet, a timer looks again.
//
// REQUIRES l.mu.
func (l *lane) impatient(now time.Time) bool {
	if l.workers == l.opening {
		return true // none is open
	}
	if l.wanted.IsZero() {
		l.wanted = now
	}
	wait := min(max(l.connectTook, minPatience), maxPatience) - now.Sub(l.wanted)
	if wait <= 0 {
		l.wanted = now
		return true
	}
	if !l.watching {
		l.watching = true
		time.AfterFunc(wait, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.watching = false
			l.staff()
		})
	}
	return false
}

// take leases the next due mail of the lane's domains in turn; nil means there is none, or an error that
// the caller rests after.
func (l *lane) take() (*queue.Lease, error) {
	for l.relay.leasing.Err() == nil {
		d, offers := l.next()
		if d == nil {
			return nil, nil
		}
		lease, err := l.relay.queue.Lease(d.name)
		if err != nil {
			l.relay.leaseFailed(d.name, err)
			return nil, err
		}
		if lease == nil {
			l.drained(d, offers)
			continue
		}
		if !lease.More {
			l.drained(d, offers)
		}
		l.mu.Lock()
		l.staff() // for the rest of this domain's mail, or that of the site's other domains
		l.mu.Unlock()
		return lease, nil
	}
	return nil, nil
}

// next returns the domain whose turn it is and how often it has been announced, for drained. One whose route
// is out of date leaves the lane and is resolved again.
func (l *lane) next() (*laneDomain, uint) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.ring) > 0 {
		if l.cursor >= len(l.ring) {
			l.cursor = 0
		}
		d := l.ring[l.cursor]
		if d.staleLocked(l.relay.policy.Load(), time.Now()) {
			l.remove(l.cursor)
			d.ready = false
			l.relay.resolve(d.name)
			continue
		}
		l.cursor++
		return d, d.offers
	}
	return nil, 0
}

// drained takes d, which was found without more due mail, out of the ring, unless it was announced again since
// next returned it with offers.
func (l *lane) drained(d *laneDomain, offers uint) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.offers != offers || !d.ready {
		return
	}
	for i, x := range l.ring {
		if x == d {
			l.remove(i)
			break
		}
	}
	d.ready = false
}

// remove takes the domain at i out of the ring, keeping the order of the others.
//
// REQUIRES l.mu.
func (l *lane) remove(i int) {
	l.ring = append(l.ring[:i], l.ring[i+1:]...)
	if l.cursor > i {
		l.cursor--
	}
	if len(l.ring) == 0 {
		l.wanted = time.Time{}
	}
}

// connected is told that a worker has its connection, which took so long.
func (l *lane) connected(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connectTook = took
	l.opening--
	l.failures = 0
	l.suspendedUntil = time.Time{}
}

// connector takes the lane's settings of the moment.
func (l *lane) connector() *connector {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &connector{
		relay: l.relay, source: l.key.source, limits: l.key.limits,
		route: l.route, routeTook: l.routeTook, domain: l.route.Domain,
	}
	l.routeTook, l.route.Cached = 0, true
	return c
}

// connectFailed is told that a worker found no host that would serve it.
func (l *lane) connectFailed(status message.Status, facts *peerFacts) {
	l.mu.Lock()
	l.opening--
	l.mu.Unlock()
	l.siteFailed(status, facts)
}

// siteFailed is told by a worker, which is about to leave, that the site does not serve us. With other
// connections open it only wants no more of them; with none, it is suspended and its due mail gets the reason.
func (l *lane) siteFailed(status message.Status, facts *peerFacts) {
	retry := l.relay.policy.Load().Retry.For(facts.domain)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if open := l.workers - 1 - l.opening; open > 0 {
		l.ceiling, l.ceilingUntil = open, now.Add(time.Minute)
		return
	}
	l.failures++
	pause := suspension(retry, l.failures)
	if status.Permanent() {
		pause = min(pause, permanentPause) // mail bounces meanwhile, so ask again soon
	}
	l.suspendedUntil = now.Add(pause)
	l.reason, l.reasonFacts = status, facts
	l.relay.metrics.suspensions.Add(1)
}

// permanentPause is how long a site is left alone at most after it refused us for good.
const permanentPause = 30 * time.Second

// suspension is how long a site is left alone after its n-th failure in a row: half of what its mail
// waits, so that the mail that is due next finds the site no longer suspended and tries it.
func suspension(s *policy.Schedule, n int) time.Duration {
	const most = 10 * time.Minute
	if len(s.Intervals) == 0 {
		return most
	}
	return min(s.Intervals[min(n, len(s.Intervals))-1]/2, most)
}

// drain defers all that is due while the site is suspended.
func (l *lane) drain() {
	for {
		l.mu.Lock()
		if len(l.ring) == 0 || l.relay.leasing.Err() != nil || !time.Now().Before(l.suspendedUntil) {
			l.draining = false
			l.staff()
			l.mu.Unlock()
			l.relay.lanes.retire(l)
			return
		}
		status, facts := l.reason, l.reasonFacts
		if facts.steps != nil { // the attempt to connect was made once, and so is told of one message
			told := *facts
			told.steps, told.route.Took = nil, 0
			l.reasonFacts = &told
		}
		l.mu.Unlock()
		lease, err := l.take()
		switch {
		case err != nil:
			l.relay.rest()
		case lease != nil:
			l.relay.finish(newAttempt(lease, facts).all(status))
		}
	}
}

// wait parks w until there may be mail again; false means it has been idle for too long or is to end.
func (l *lane) wait(w *worker, idle time.Duration) bool {
	l.mu.Lock()
	if l.relay.leasing.Err() != nil {
		l.mu.Unlock()
		return false
	}
	if len(l.ring) > 0 {
		l.mu.Unlock()
		return true
	}
	if l.deserted || !l.relay.slots.rest(w) {
		l.mu.Unlock()
		return false
	}
	l.idle = append(l.idle, w)
	l.mu.Unlock()

	woken := false
	timer := time.NewTimer(idle)
	defer timer.Stop()
	select {
	case <-w.wake:
		woken = true
	case <-timer.C:
	case <-w.evicted:
		w.evicted <- struct{}{} // for resume
	}
	// If it is no longer among the idle ones, somebody woke w in the same moment: that must not be lost.
	if !woken && !l.unpark(w) {
		<-w.wake
		woken = true
	}
	l.relay.slots.resume(w, woken)
	return woken && l.relay.leasing.Err() == nil
}

// unpark takes w from among the idle workers; false means that it is not there.
func (l *lane) unpark(w *worker) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.idle, w)
	if i >= 0 {
		l.idle = slices.Delete(l.idle, i, i+1)
	}
	return i >= 0
}

// leave is told that a worker ends. Its connection goes to the lane that has waited longest for one.
func (l *lane) leave() {
	l.mu.Lock()
	l.workers--
	l.mu.Unlock()
	l.relay.slots.give()
	// Not every lane that waits still has mail; one that has none leaves the connection to the next.
	for waiting := l.relay.slots.following(); waiting != nil; waiting = l.relay.slots.following() {
		waiting.mu.Lock()
		waiting.inLine = false
		waiting.staff()
		waiting.mu.Unlock()
	}
	l.mu.Lock()
	l.staff()
	l.mu.Unlock()
	l.relay.lanes.retire(l)
}

// desert ends the idle connections of a lane that no domain uses any more; the others end with their mail.
func (l *lane) desert() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deserted = true
	l.wakeIdle()
}

// wakeIdle has every idle worker look whether it may go on waiting.
//
// REQUIRES l.mu.
func (l *lane) wakeIdle() {
	for _, w := range l.idle {
		w.wake <- struct{}{}
	}
	l.idle = nil
}
