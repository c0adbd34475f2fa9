package relay

import (
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
)

// captureQueue is where the recipients of captured mail wait, whatever their domain: so nothing of it can get to a lane,
// not after a restart either, nor when the login has been changed since. No domain has such a name.
const captureQueue = "*captured"

// capture ends what is due of the captured mail. Nothing leaves, no report either.
func (r *Relay) capture() {
	for r.leasing.Err() == nil {
		lease, err := r.queue.Lease(captureQueue)
		switch {
		case err != nil:
			r.leaseFailed(captureQueue, err)
			r.rest()
		case lease == nil:
			return
		default:
			r.record.add(captured(lease))
		}
	}
}

// captured is the outcome that ends all recipients of a lease as captured.
func captured(lease *queue.Lease) outcome {
	lease.DropContent()
	env, now := lease.Envelope, time.Now()
	a := newAttempt(lease, &peerFacts{})
	o := outcome{settlement: queue.Settlement{Lease: lease, Results: a.results, Statuses: a.statuses, Attempted: true}}
	status := localStatus(250, message.EnhancedCode{2, 0, 0}, "Captured: mail of this login does not leave")
	for i, rcpt := range lease.Recipients {
		a.statuses[i], a.results[i] = status, message.Captured
		o.results[message.Captured]++
		o.events = append(o.events, Event{
			Type: EventCaptured, ID: env.ID, Sender: env.Sender, Recipient: rcpt.Address, Domain: lease.Domain,
			Tenant: env.Tenant, Class: env.Class, Size: env.Size, Status: status, PeerName: "capture",
			Timestamp: now, Created: env.ArrivedAt, Attempts: lease.Attempts + 1,
			Reception: env.Origin.Protocol, SessionID: env.Origin.SessionID, MessageID: env.MessageID,
			Listener: env.Origin.Listener, AuthName: env.Origin.AuthName,
			Delays: Delays{InQueue: max(now.Sub(env.ArrivedAt), 0)},
		})
	}
	return o
}
