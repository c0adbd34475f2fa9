package relay

import (
	"context"
	"maps"
	"math"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/classify"
	"github.com/posthaste-mta/posthaste/queue"
)

// BounceConfig is how reports of our own (RFC 3464) are made.
type BounceConfig struct {
	From            string // address of the From field; "" means MAILER-DAEMON@ our host name
	ReturnFullLimit int    // bytes of a message up to which a bounce returns it whole; see message.Report
	// PerHour bounds the reports to one address, so that a forged sender is not flooded; 0 means
	// no bound. What is over it is only told in the event log.
	PerHour int
}

// addReports adds the reports that an attempt's results call for: for bounced and expired recipients a
// failure, for deferred ones once a warning, for delivered ones a confirmation when it was asked for and the
// next hop does not give one (RFC 3461 5.2). They are stored in the same batch as the results.
func (r *Relay) addReports(p *Policy, schedule *policy.Schedule, a *attempt, o *outcome, verdicts []classify.Verdict, now time.Time) {
	env := a.lease.Envelope
	if env.Sender == "" {
		return // a report about a report would loop (RFC 5321 6.1)
	}
	warn := o.results[message.Deferred] > 0 && schedule.WarnDue(now.Sub(env.ArrivedAt), a.lease.DelayWarned)
	var failed, delayed, succeeded []message.ReportRecipient
	for i, rcpt := range a.lease.Recipients {
		if a.statuses[i].Code == 0 {
			continue // given back: nothing happened to it
		}
		told := message.ReportRecipient{Recipient: rcpt, Status: a.statuses[i], LastAttempt: a.started}
		if a.statuses[i].Remote {
			told.RemoteMTA = a.facts.host
		}
		if verdicts[i].ByWords() {
			told.Cause = verdicts[i].Class.Cause()
		}
		told.Mend = verdicts[i].Action == classify.MendSending
		switch o.settlement.Results[i] {
		case message.Bounced, message.Expired:
			if rcpt.Notify.WantsFailure() {
				failed = append(failed, told)
			}
		case message.Deferred:
			if warn && rcpt.Notify.WantsDelay() {
				told.WillRetryUntil = env.ArrivedAt.Add(schedule.Expire)
				delayed = append(delayed, told)
			}
		case message.Delivered:
			if rcpt.Notify&message.NotifySuccess != 0 && !a.relayedDSN {
				if told.Action = "relayed"; a.facts.final {
					told.Action = "delivered"
				}
				succeeded = append(succeeded, told)
			}
		}
	}
	if warn {
		o.settlement.DelayWarned = true
	}
	r.addReport(p, message.ReportFailure, failed, a, o, now)
	r.addReport(p, message.ReportDelay, delayed, a, o, now)
	r.addReport(p, message.ReportSuccess, succeeded, a, o, now)
}

func (r *Relay) addReport(p *Policy, kind message.ReportKind, rcpts []message.ReportRecipient, a *attempt, o *outcome, now time.Time) {
	if len(rcpts) == 0 {
		return
	}
	env := a.lease.Envelope
	if !r.storm.allow(env.Sender, p.Bounce.PerHour, now) {
		r.metrics.reportsWithheld.Add(1)
		return
	}
	if a.content == nil { // it was not sent, and so has no memory of its own: one at a time
		r.reading.Lock()
		defer r.reading.Unlock()
		defer a.lease.DropContent()
	}
	content, err := a.lease.Content()
	if err != nil {
		// The sender must hear of the failure all the same; the report goes without the original.
		r.log.Warn("report without the original message", zap.Stringer("id", env.ID), zap.Error(err))
		content = nil
	}
	report, told := r.makeReport(p, kind, env, rcpts, content, now)
	o.settlement.Reports = append(o.settlement.Reports, report)
	o.events = append(o.events, told)
}

// makeReport makes a report about recipients of a message to its sender, and the event that tells of it.
func (r *Relay) makeReport(p *Policy, kind message.ReportKind, env *message.Envelope, rcpts []message.ReportRecipient,
	content []byte, now time.Time) (queue.NewMessage, Event) {
	id := r.queue.NewID()
	body, utf8 := message.BuildReport(message.Report{
		Kind: kind, Hostname: r.cfg.Hostname, From: p.Bounce.From, Envelope: env, Recipients: rcpts,
		Content: content, Now: now, ID: id.String(), ReturnFullLimit: p.Bounce.ReturnFullLimit,
	})
	body, signed := r.signReport(p, body, now)
	report := queue.NewMessage{
		Envelope: &message.Envelope{
			ID: id, UTF8: utf8, Size: int64(len(body)), ArrivedAt: now,
			Tenant: env.Tenant, Class: message.ClassTransactional, RequireTLS: env.RequireTLS,
		},
		Recipients: p.reportTo(env.Sender),
		Content:    body,
	}
	if message.Has8Bit(body) {
		report.Envelope.Body = message.Body8Bit
	}
	return report, Event{
		Type: EventReport, ID: id, Relates: env.ID, Recipient: env.Sender,
		Domain: report.Recipients[0].Domain, Tenant: env.Tenant, Class: report.Envelope.Class,
		Size: report.Envelope.Size, Timestamp: time.Now(), Created: now, DKIM: signed,
	}
}

// tellExpanded reports to the sender that aliases of several were expanded, where he asked to hear of success: of each of
// those behind it he is not told (RFC 3461 5.2.7.2). The message is ours already, and does not depend on it.
func (m *incoming) tellExpanded() {
	r, env, now := m.relay, m.envelope, m.relay.queue.Now()
	p := r.policy.Load()
	if len(m.expanded) == 0 || env.Sender == "" || !r.storm.allow(env.Sender, p.Bounce.PerHour, now) {
		return
	}
	rcpts := make([]message.ReportRecipient, len(m.expanded))
	for i, to := range m.expanded {
		rcpts[i] = message.ReportRecipient{
			Recipient: to, Action: "expanded", LastAttempt: now,
			Status: localStatus(250, message.EnhancedCode{2, 1, 5}, "Passed on to the addresses behind this one"),
		}
	}
	report, told := r.makeReport(p, message.ReportSuccess, env, rcpts, m.content, now)
	if _, err := r.queue.Put(context.Background(), report.Envelope, report.Recipients, report.Content); err != nil {
		r.log.Warn("a report of success is not sent", zap.Stringer("id", env.ID), zap.Error(err))
		return
	}
	if err := r.events.Append([]Event{told}); err != nil {
		r.metrics.eventsLost.Add(1)
	}
}

// stormGuard counts reports by address, bounded in memory.
type stormGuard struct {
	mu    sync.Mutex
	until map[string]time.Time // when the address has paid for its reports (GCRA's arrival time)
	swept time.Time            // when those who owe nothing were last looked for
}

// maxStormAddresses bounds the guard; when it is full of addresses that still owe, further ones pass.
const maxStormAddresses = 100_000

func newStormGuard() *stormGuard { return &stormGuard{until: make(map[string]time.Time)} }

// allow tells whether another report may go to addr when perHour may, all of them at once if need be.
func (g *stormGuard) allow(addr string, perHour int, now time.Time) bool {
	if perHour <= 0 {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	cost := time.Duration(math.Ceil(float64(time.Hour) / float64(perHour)))
	paid := g.until[addr]
	if paid.Before(now) {
		paid = now
	}
	if paid.Add(cost).Sub(now) > time.Hour {
		return false
	}
	if len(g.until) >= maxStormAddresses && now.Sub(g.swept) > time.Minute { // it takes a while
		maps.DeleteFunc(g.until, func(_ string, until time.Time) bool { return until.Before(now) })
		g.swept = now
	}
	if _, known := g.until[addr]; known || len(g.until) < maxStormAddresses {
		g.until[addr] = paid.Add(cost)
	}
	return true
}
