package relay

import (
	"slices"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// How long mail waits for an open connection before another is opened is what opening takes, within these.
const (
	minPatience = time.Millisecond
	maxPatience = 250 * time.Millisecond
)

// staff sees to it that somebody works on the ring: an idle worker, a new one, or while the site
// is suspended the goroutine that defers.
//
// REQUIRES l.mu.
func (l *lane) staff() {
	if l.relay.leasing.Err() != nil {
		return
	}
	if l.pacing > 0 && l.admitted == 0 {
		return // who waits for the rate takes what is there, and asks again
	}
	if !l.hasMail() && (len(l.shelved) == 0 || !time.Now().Before(l.suspendedUntil)) {
		return
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
	if l.workers < limit && l.opening <= (l.workers-l.opening) && l.impatient(now) && l.slots.take(l) {
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

// connected is told that a worker has its connection, which took so long.
func (l *lane) connected(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connectTook = took
	l.opening--
	l.failures = 0
	l.suspendedUntil = time.Time{}
	l.unmemorize()
}

// connector takes the lane's settings of the moment.
func (l *lane) connector() *connector {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &connector{
		relay: l.relay, source: l.key.source, limits: l.key.limits, logins: l.relay.policy.Load().Logins,
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

// wait parks w until there may be mail again; false means it has been idle for too long or is to end.
func (l *lane) wait(w *worker, idle time.Duration) bool {
	l.mu.Lock()
	if l.relay.leasing.Err() != nil {
		l.mu.Unlock()
		return false
	}
	if l.hasMail() {
		l.mu.Unlock()
		return true
	}
	if l.deserted || !l.slots.rest(w) {
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
	l.slots.resume(w, woken)
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
	l.slots.give()
	// Not every lane that waits still has mail; one that has none leaves the connection to the next.
	for waiting := l.slots.following(); waiting != nil; waiting = l.slots.following() {
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
