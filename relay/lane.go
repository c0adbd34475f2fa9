package relay

import (
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
	local  bool // into the mailboxes here; a host may have the same name
}

// lane is the delivery workers and open connections for one source and one site. It holds no mail:
// a worker that is free leases the next due group of the next domain in turn.
type lane struct {
	relay *Relay
	key   laneKey
	slots *slots                 // the connections that it shares
	known map[string]*laneDomain // every domain attached; guarded by the table's lock

	mu    sync.Mutex
	route resolver.Route // the newest of any domain of the site; its hosts are the site's
	// routeTook is how long it took to find, for the first connection that uses it.
	routeTook time.Duration
	ring      []*laneDomain // domains with due mail, served in turn
	cursor    int
	// shelved is leased mail that waits for memory; admitted counts that which has got it.
	shelved  []*shelved
	admitted int
	memory   shares    // what the lane has of the process's memory
	idle     []*worker // connected, waiting for mail; the last one in is the first one out
	// workers counts all; opening those among them that have no connection yet.
	workers, opening int
	nextStart        time.Time // when the next message may start under MessagesPerSecond
	pacing           int       // workers that wait for it

	// While suspended, the site cannot be reached: due mail is deferred with the reason at once.
	suspendedUntil time.Time
	reason         message.Status
	reasonFacts    *peerFacts
	failures       int    // in a row
	draining       bool   // a goroutine is deferring due mail
	memo           string // under which the queue remembers the suspension; "" if it does not

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

// take leases the next due mail for which there is memory; nil means there is none, or an error that the caller
// rests after.
func (l *lane) take() (*queue.Lease, claim, error) {
	for {
		p := l.relay.policy.Load()
		lease, err := l.lease()
		if lease == nil {
			return nil, claim{}, err
		}
		if c, ok := l.relay.memory.take(&l.memory, lease.Envelope.Size); ok {
			return lease, c, nil
		}
		l.shelve(lease, p)
	}
}

// lease leases the next due mail of the lane's domains in turn.
func (l *lane) lease() (*queue.Lease, error) {
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
	for len(l.ring) > 0 && !l.full() {
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

// clear empties the ring and returns the domains that stood in it.
func (l *lane) clear() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	names := make([]string, len(l.ring))
	for i, d := range l.ring {
		names[i], d.ready = d.name, false
	}
	l.ring, l.cursor, l.wanted = nil, 0, time.Time{}
	return names
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
