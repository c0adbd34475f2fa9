package relay

import (
	"container/list"
	"slices"

	"github.com/posthaste-mta/posthaste/queue"
)

// This file is what a lane does with mail for which there is no memory now. Not the worker waits, but the mail:
// the worker goes on with what is in flight and with other mail, and closes its connection when there is none.

// maxShelved bounds the mail of one lane that waits for memory. When so much does, the lane's other mail stays in
// the queue, also what is small.
const maxShelved = 16

// shelved is leased mail of a lane that waits for memory, and then for a worker.
type shelved struct {
	lane     *lane
	lease    *queue.Lease  // its content is not loaded
	claim    claim         // what it waits for or has got
	place    *list.Element // in the pool's line while it waits; guarded by pool.mu
	admitted bool          // has its memory; guarded by lane.mu
}

// shelve has a lease wait for memory. If the policy is no longer the one it was leased under it goes back instead:
// it may have to take another way, and releaseShelved has been here.
func (l *lane) shelve(lease *queue.Lease, p *Policy) {
	lease.DropContent() // it is read again when its time has come
	l.mu.Lock()
	if l.relay.policy.Load() != p {
		l.mu.Unlock()
		l.relay.queue.Release(lease)
		return
	}
	s := &shelved{lane: l, lease: lease}
	l.shelved = append(l.shelved, s)
	if l.key.limits.MessagesPerSecond > 0 {
		l.nextStart = l.nextStart.Add(l.gap()) // or it would keep its memory from others while it waits for a start
	}
	next := l.relay.memory.wait(s) // whoever sees it among the shelved finds it in line, too
	l.mu.Unlock()
	admit(next)
}

// full tells that the lane takes no more mail from the queue until some that waits for memory has got it.
//
// REQUIRES l.mu.
func (l *lane) full() bool {
	n := len(l.shelved)
	switch {
	case n == 0:
		return false
	case n >= maxShelved, l.key.limits.MessagesPerSecond > 0:
		return true
	}
	_, waiting := l.relay.memory.used()
	return waiting >= l.relay.cfg.MaxConnections // one for each lane is enough
}

// hasMail tells that there is something for a worker to take.
//
// REQUIRES l.mu.
func (l *lane) hasMail() bool { return l.admitted > 0 || len(l.ring) > 0 && !l.full() }

// admit is told that there is memory for p.
func (l *lane) admit(p *shelved) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.shelved, p) {
		return // somebody was faster
	}
	p.admitted = true
	l.admitted++
	l.staff()
}

// takeAdmitted returns mail that has waited for its memory and got it, and has paid for its start; nil if there is
// none.
func (l *lane) takeAdmitted() (*queue.Lease, claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.admitted == 0 || l.relay.leasing.Err() != nil {
		return nil, claim{}
	}
	i := slices.IndexFunc(l.shelved, func(p *shelved) bool { return p.admitted })
	p := l.shelved[i]
	l.shelved = slices.Delete(l.shelved, i, i+1)
	l.admitted--
	l.staff() // for the others, and for what was not leased as long as this waited
	return p.lease, p.claim
}

// unshelve returns a lease of the lane that waits for memory, with or without it, for which none is needed any
// more; nil if there is none.
func (l *lane) unshelve(wanted func(*queue.Lease) bool) *queue.Lease {
	l.mu.Lock()
	i := slices.IndexFunc(l.shelved, func(p *shelved) bool { return wanted(p.lease) })
	if i < 0 {
		l.mu.Unlock()
		return nil
	}
	p := l.shelved[i]
	l.shelved = slices.Delete(l.shelved, i, i+1)
	if p.admitted {
		l.admitted--
	}
	l.mu.Unlock()
	l.relay.memory.leave(p)
	return p.lease
}

// takeAny takes mail that needs no memory, because it is not sent: first what waits for some.
func (l *lane) takeAny() (*queue.Lease, error) {
	if lease := l.unshelve(func(*queue.Lease) bool { return true }); lease != nil {
		return lease, nil
	}
	return l.lease()
}

// releaseShelved gives the mail that waits for memory back to the queue: that of one domain, or all.
func (l *lane) releaseShelved(domain string) {
	wanted := func(lease *queue.Lease) bool { return domain == "" || lease.Domain == domain }
	for lease := l.unshelve(wanted); lease != nil; lease = l.unshelve(wanted) {
		l.relay.queue.Release(lease)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.staff() // for what was not leased as long as these waited
}
