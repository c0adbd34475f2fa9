package relay

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/classify"
	"github.com/posthaste-mta/posthaste/queue"
)

// finish decides what the replies of an attempt mean and hands the outcome to the recorder. It is the only
// way out of an attempt that was made.
func (r *Relay) finish(a *attempt) {
	o := r.decide(a)
	r.unload(a)
	r.record.add(o)
}

// giveBack ends an attempt that says nothing about the recipients without a status: they are due as before, and
// it does not count. What is known of the others is recorded.
func (r *Relay) giveBack(a *attempt) {
	for _, status := range a.statuses {
		if status.Code != 0 {
			r.finish(a)
			return
		}
	}
	r.unload(a)
	r.queue.Release(a.lease)
}

// unload forgets the content of an attempt, which lives on until it is recorded, and gives back the memory.
func (r *Relay) unload(a *attempt) {
	a.content = nil
	a.lease.DropContent()
	r.memory.give(a.memory)
	a.memory = claim{}
}

// outcome is what is to be recorded of one attempt: a settlement and the events that tell of it.
type outcome struct {
	settlement queue.Settlement
	events     []Event
	results    [message.NumResults]int // how many recipients got which
}

// weight is what an outcome counts for in the recorder's backlog, in bytes: 0 if it is small.
func (o *outcome) weight() int64 {
	n := int64(len(o.events)) * eventBytes
	for i := range o.settlement.Reports {
		n += int64(len(o.settlement.Reports[i].Content))
	}
	if n <= recordSmall {
		return 0
	}
	return min(n, recordBacklogBytes)
}

// decide turns the replies of one attempt into results (RFC 5321 4.2.1): 2yz delivered, 5yz bounced, all
// else deferred by the schedule, or expired when the message's time is up; and makes the reports
// that these results call for.
func (r *Relay) decide(a *attempt) outcome {
	p := r.policy.Load()
	schedule := p.Retry.For(a.lease.Domain)
	now := r.queue.Now() // due times and ages are told by it: it does not jump when the clock is set
	age := now.Sub(a.lease.Envelope.ArrivedAt)
	attempts := a.lease.Attempts + 1

	o := outcome{settlement: queue.Settlement{
		Lease:       a.lease,
		Results:     a.results,
		Statuses:    a.statuses,
		DelayWarned: a.lease.DelayWarned,
	}}
	verdicts := make([]classify.Verdict, 0, 100)
	wait, asBefore := time.Duration(-1), false
	for i, status := range a.statuses {
		var verdict classify.Verdict
		if !status.Positive() {
			verdict = p.Classes.Classify(status)
		}
		verdicts = append(verdicts, verdict)
		switch {
		case status.Code == 0: // given back
			asBefore = true
			continue
		case status.Positive():
			o.settlement.Results[i] = message.Delivered
		case status.Permanent():
			o.settlement.Results[i] = message.Bounced
		case schedule.Expired(age):
			o.settlement.Results[i] = message.Expired
		default:
			o.settlement.Results[i] = message.Deferred
			if next := schedule.Next(attempts, age, verdict.Action, rand.Float64()); wait < 0 || next < wait {
				wait = next
			}
		}
		o.results[o.settlement.Results[i]]++
	}
	if wait >= 0 && !asBefore {
		// Tried for the last time when the time is up, not an interval after it.
		if left := schedule.Expire - age; schedule.Expire > 0 && left > 0 && left < wait {
			wait = left
		}
		o.settlement.NextDue = now.Add(wait)
	}
	o.settlement.Attempted = !asBefore
	r.addReports(p, schedule, a, &o, verdicts, now)
	r.addEvents(p, a, &o, verdicts, attempts)
	return o
}

// addEvents tells what became of each recipient.
func (r *Relay) addEvents(p *Policy, a *attempt, o *outcome, verdicts []classify.Verdict, attempts int) {
	env, f := a.lease.Envelope, a.facts
	now := time.Now()
	delays := Delays{
		InQueue:      max(a.started.Sub(env.ArrivedAt)-f.connectTook, 0),
		Transmission: a.sendTime,
	}
	if !f.reused {
		delays.Connect = f.connectTook
	}
	var detail *Detail
	if p.Detail {
		detail = a.detail()
	}
	o.events = slices.Grow(o.events, len(a.statuses))
	for i, rcpt := range a.lease.Recipients {
		if a.statuses[i].Code == 0 {
			continue // given back: nothing happened to it
		}
		result := o.settlement.Results[i]
		e := Event{
			Type: EventOf(result), ID: env.ID,
			Sender: env.Sender, Recipient: rcpt.Address, Domain: a.lease.Domain, Site: f.site,
			Tenant: env.Tenant, Class: env.Class, Size: env.Size,
			Status: a.statuses[i], Command: a.commands[i],
			PeerName: f.host, PeerAddr: f.addr,
			Timestamp: now, Created: env.ArrivedAt, Attempts: attempts,
			Source: f.source, Pool: f.pool, Protocol: f.protocol,
			Reception: env.Origin.Protocol, SessionID: env.Origin.SessionID, Listener: env.Origin.Listener, AuthName: env.Origin.AuthName,
			TLSVersion: f.tls, TLSCipher: f.cipher, MessageID: env.MessageID,
			Delays: delays, Detail: detail,
		}
		if result == message.Deferred {
			e.NextDue = o.settlement.NextDue
		}
		if result != message.Delivered {
			e.Classification = verdicts[i].Class.String()
		}
		o.events = append(o.events, e)
	}
}
