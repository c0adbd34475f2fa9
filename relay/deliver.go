package relay

import (
	"container/list"
	"context"
	"errors"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/smtp"
)

// worker is one connection of a lane and the goroutine that feeds it.
type worker struct {
	lane *lane
	wake chan struct{} // receives once when the lane has mail for an idle worker
	// While idle: its place in the line of idle workers, and what receives once to have it give up
	// its connection for another lane. Both are guarded by slots.mu.
	place   *list.Element
	evicted chan struct{}

	limits policy.Limits // those of when the connection was opened
	peer   *peer
	next   func() *smtp.Transaction // following, for the client to ask
	rest   *attempt                 // a lease of which some recipients have not been put in flight yet
	first  int                      // the first of them
	flight []*delivery              // in flight, in the order the client expects them
}

// delivery is one transaction: as many of an attempt's recipients as go together.
type delivery struct {
	attempt *attempt
	first   int // index of the first recipient
	tx      smtp.Transaction
}

// run is the life of a connection: open, deliver, wait for more, close. Mail that is left when it ends
// is the lane's to bring to another.
func (w *worker) run() {
	l, r := w.lane, w.lane.relay
	defer l.leave()
	c := l.connector()
	w.limits = c.limits
	p, facts, status := c.connect(r.delivering)
	if p == nil {
		l.connectFailed(status, facts)
		return
	}
	w.peer = p
	w.next = func() *smtp.Transaction {
		if d := w.following(false); d != nil {
			return &d.tx
		}
		return nil
	}
	l.connected(p.facts.connectTook)
	alive := w.serve(r.delivering)
	if w.rest != nil { // we end; what the others were told is known
		r.giveBack(w.rest)
	}
	if alive {
		p.client.Quit(r.delivering)
	} else {
		p.client.Close()
	}
}

// serve sends mail over the open connection until it has carried enough or has been idle for too long. It
// returns false when the connection is of no further use.
func (w *worker) serve(ctx context.Context) bool {
	for ctx.Err() == nil {
		if d := w.following(true); d != nil {
			if !w.send(ctx, d) {
				return false
			}
			continue
		}
		if w.spent() || !w.lane.wait(w, w.limits.IdleTimeout) {
			return true
		}
		if w.peer.client.CheckIdle() != nil {
			return false // closed by the host while idle, as it may
		}
	}
	return false
}

// fairShare is how many messages a connection carries at most while other lanes wait for one.
const fairShare = 100

// spent tells whether the connection has carried as many messages as it may.
func (w *worker) spent() bool {
	if most := w.limits.MessagesPerConnection; most > 0 && w.peer.sent >= most {
		return true
	}
	return w.peer.sent >= fairShare && w.lane.slots.contended()
}

// following makes the next transaction: of the rest of a lease, or of a new one. nil means that there is
// nothing to send on this connection now. Only if mayWait is set it waits for the site's rate.
func (w *worker) following(mayWait bool) *delivery {
	if w.rest == nil {
		if w.spent() {
			return nil
		}
		if w.rest = w.lease(mayWait); w.rest == nil {
			return nil
		}
		w.first = 0
		w.peer.sent++
	}
	a := w.rest
	end := len(a.lease.Recipients)
	if most := w.limits.RecipientsPerTransaction; most > 0 {
		end = min(end, w.first+most)
	}
	d := &delivery{attempt: a, first: w.first, tx: smtp.Transaction{
		Envelope: a.lease.Envelope, Recipients: a.lease.Recipients[w.first:end], Content: a.content,
	}}
	a.inFlight++
	w.flight = append(w.flight, d)
	w.first = end
	if end == len(a.lease.Recipients) {
		w.rest = nil
	}
	return d
}

// lease takes the next due mail of the lane, within the site's rate.
func (w *worker) lease(mayWait bool) *attempt {
	r := w.lane.relay
	for lease, memory := w.lane.takeAdmitted(); lease != nil; lease, memory = w.lane.takeAdmitted() {
		if a, err := w.begin(lease, memory); err == nil && !w.unfit(a) {
			return a
		}
	}
	if !w.lane.pace(mayWait) {
		return nil
	}
	for r.leasing.Err() == nil {
		lease, memory, err := w.lane.take()
		if err == nil && lease == nil {
			w.lane.refund()
			return nil
		}
		var a *attempt
		if err == nil {
			a, err = w.begin(lease, memory)
		}
		switch {
		case err == nil && !w.unfit(a):
			return a
		case err == nil, errors.Is(err, queue.ErrDamaged):
			continue // that message alone
		case !mayWait:
			w.lane.refund()
			return nil // what is in flight goes first
		}
		r.rest()
	}
	return nil
}

// begin makes an attempt of a lease. If its content cannot be read the lease has ended.
func (w *worker) begin(lease *queue.Lease, memory claim) (*attempt, error) {
	content, err := lease.Content()
	if err != nil {
		w.lane.relay.memory.give(memory)
		w.lane.relay.leaseFailed(lease.Domain, err)
		w.lane.relay.queue.Release(lease) // does nothing for what was put aside as damaged
		return nil, err
	}
	facts := w.peer.facts
	if w.peer.sent > 0 {
		facts = w.peer.again
	}
	a := newAttempt(lease, facts)
	a.content, a.memory, a.traced = content, memory, w.lane.relay.policy.Load().Detail
	return a, nil
}

// unfit ends an attempt whose message this connection cannot carry.
func (w *worker) unfit(a *attempt) bool { return w.insecure(a) || w.tooWide(a) }

// insecure ends an attempt whose message demands TLS with a verified certificate (REQUIRETLS, RFC 8689 4.2.1)
// on a connection that has none. It bounces: nothing says that the site will have one tomorrow, and the sender
// asked rather to be told. That the host must offer REQUIRETLS itself the client checks. A report goes on as well as
// it can (RFC 8689 5).
//
// Only the host at hand is asked, where RFC 8689 wants each of the site's. Nothing offers REQUIRETLS to clients yet.
func (w *worker) insecure(a *attempt) bool {
	if env := a.lease.Envelope; !env.RequireTLS || env.Sender == "" || w.peer.verify() {
		return false
	}
	w.lane.relay.finish(a.all(localStatus(550, message.EnhancedCode{5, 7, 10},
		"the sender requires TLS with a valid certificate (REQUIRETLS), which "+w.peer.host+" does not have")))
	return true
}

// send gives d to the peer, and after it what the client put in flight meanwhile. It returns false when the
// connection has died.
func (w *worker) send(ctx context.Context, d *delivery) bool {
	for {
		result := w.peer.client.Send(ctx, &d.tx, w.next)
		w.landed()
		w.outOfStep(d, &result)
		w.conclude(d, &result)
		if result.Err != nil {
			w.died(ctx, &result)
			return false
		}
		if len(w.flight) == 0 {
			return true
		}
		d = w.flight[0]
	}
}

// landed takes the first transaction out of flight.
func (w *worker) landed() {
	w.flight[0] = nil
	w.flight = w.flight[1:]
}

// conclude notes the replies to one transaction, and finishes its attempt when that was the last of it.
func (w *worker) conclude(d *delivery, result *smtp.Result) {
	a := d.attempt
	d.tx.Content = nil // the client may keep the rest for a while
	a.note(d.first, result)
	w.peer.useful = w.peer.useful || result.Err == nil
	if result.Err != nil && w.rest == a {
		w.rest = nil
	}
	if a.inFlight > 0 || w.rest == a {
		return
	}
	r := w.lane.relay
	a.relayedDSN = w.peer.client.Extensions().DSN
	switch {
	case result.Err == nil:
		r.finish(a)
	case w.blameless(a, result.Err):
		r.giveBack(a)
	default:
		r.finish(a.all(lostConnection(a.facts, result.Err)))
	}
}
