package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/smtp"
)

// This file is what becomes of mail and site when a connection dies under a worker.

// died concludes all that was in flight when the connection died: each recipient gets what is known of it.
// It remembers what may be learnt of the host, and has the site left alone if the connection was of no use.
func (w *worker) died(ctx context.Context, first *smtp.Result) {
	r := w.lane.relay
	r.learn(w.peer, first.Err)
	useless := !w.peer.useful && !retryAtOnce(first.Err) && r.delivering.Err() == nil
	w.peer.useful = w.peer.useful || first.Sent // one message is deferred; the others may get on without it
	for len(w.flight) > 0 {
		d := w.flight[0]
		w.landed()
		result := w.peer.client.Send(ctx, &d.tx, nil)
		if result.Err == nil {
			result.Err = first.Err
		}
		w.conclude(d, &result)
	}
	// At MAIL or RCPT, or with 421, it is the site that does not serve us. Behind the end of the data it may
	// as well be that one message which it cannot stand.
	var said message.Status
	switch goodbye := errors.As(first.Err, &said); {
	case useless && goodbye:
		w.lane.siteFailed(said, w.peer.again)
	case useless && !first.Sent:
		w.lane.siteFailed(lostConnection(w.peer.facts, first.Err), w.peer.again)
	}
}

// blameless tells that a connection died of something that says nothing about this mail: it is due as
// before, at once. Each of these happens only after something else got on, so it cannot go on for ever.
func (w *worker) blameless(a *attempt, err error) bool {
	switch {
	case retryAtOnce(err):
		return true // the host is known for it from now on
	case w.lane.relay.delivering.Err() != nil:
		return !a.sent // we cut it to end in time
	}
	return a.unheard && w.peer.useful // behind mail that was taken or refused
}

// retryAtOnce tells that a connection died of a way of speaking that will not be used with the host again.
func retryAtOnce(err error) bool {
	return errors.Is(err, smtp.ErrChunking) || errors.Is(err, errOutOfStep)
}

// learn remembers of a host what made a connection die, when another way of speaking to it may not.
func (r *Relay) learn(p *peer, err error) {
	switch {
	case errors.Is(err, smtp.ErrChunking):
		r.hosts.note(p.key, func(n *hostNotes) { n.noChunking = time.Now().Add(rememberLockstep) })
	case errors.Is(err, smtp.ErrProtocol):
		r.hosts.note(p.key, func(n *hostNotes) { n.lockstep = time.Now().Add(rememberLockstep) })
	}
}

// errOutOfStep is why we leave a host that answers pipelined commands with 503.
var errOutOfStep = fmt.Errorf("%w: 503 in answer to commands in order", smtp.ErrProtocol)

// outOfStep looks for 503, "bad sequence of commands". Our commands are in order, so a host that says so has
// lost count of what was pipelined, and none of its later replies can be trusted: the connection is closed,
// and the recipients are tried again one command at a time. Without pipelining 503 means what it says.
func (w *worker) outOfStep(d *delivery, result *smtp.Result) {
	if !w.peer.pipelining {
		return
	}
	for i, status := range result.Recipients {
		if status.Remote && status.Code == 503 {
			result.Recipients[i] = message.Status{}
			if result.Err == nil {
				result.Err = fmt.Errorf("%w: %s", errOutOfStep, status)
				w.peer.client.Close()
			}
		}
	}
}
