package relay

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/smtp"
)

// attempt is one lease on its way through a lane: what was tried and what each recipient was told.
// It belongs to one goroutine at a time.
type attempt struct {
	lease    *queue.Lease
	content  []byte
	memory   claim // for content
	facts    *peerFacts
	statuses []message.Status // parallel to lease.Recipients; Code 0 while nothing is known
	commands []string         // the command that each status answered; "" for our own
	results  []message.Result // what the statuses mean, for whoever decides

	started  time.Time
	sendTime time.Duration // from MAIL to the newest final reply
	traced   bool          // steps are to be kept
	steps    []Step
	inFlight int  // transactions that the client has and that are not concluded
	unheard  bool // not even a reply to MAIL has been heard, and no end of data was sent
	sent     bool // an end of data was sent: what has no status is in doubt
	// relayedDSN tells that the next hop took over the duty to report success (RFC 3461 5.2.2).
	relayedDSN bool

	// room for the usual single recipient, so that it takes one allocation and not four
	oneStatus  [1]message.Status
	oneCommand [1]string
	oneResult  [1]message.Result
}

// peerFacts is what events tell of the connection that an attempt used. It is shared by all attempts of
// the connection and not changed once the first is finished.
type peerFacts struct {
	domain, site string
	source, pool string
	host         string
	addr         netip.AddrPort
	protocol     string
	tls, cipher  string
	connectTook  time.Duration
	reused       bool
	final        bool // what is taken there has been delivered, not relayed
	route        RouteDetail
	steps        []Step
}

// again returns the facts for the later attempts of the connection.
func (f *peerFacts) again() *peerFacts {
	later := *f
	later.reused, later.connectTook, later.steps = true, 0, nil
	later.route.Cached, later.route.Took = true, 0
	return &later
}

func newAttempt(lease *queue.Lease, facts *peerFacts) *attempt {
	a := &attempt{lease: lease, facts: facts, started: time.Now(), unheard: true}
	if n := len(lease.Recipients); n > 1 {
		a.statuses, a.commands, a.results = make([]message.Status, n), make([]string, n), make([]message.Result, n)
	} else {
		a.statuses, a.commands, a.results = a.oneStatus[:n], a.oneCommand[:n], a.oneResult[:n]
	}
	return a
}

// all gives every recipient that has no status yet this one. Where it is the host's own, the host
// gave it before there was a transaction: to the connection.
func (a *attempt) all(status message.Status) *attempt {
	for i := range a.statuses {
		if a.statuses[i].Code == 0 {
			a.statuses[i] = status
			if status.Remote {
				a.commands[i] = "connect"
			}
		}
	}
	return a
}

// note takes over the replies to one transaction, whose recipients begin at first.
func (a *attempt) note(first int, result *smtp.Result) {
	a.inFlight--
	t := &result.Trace
	a.sent = a.sent || result.Sent
	if result.Sent || t.Mail.Code != 0 {
		a.unheard = false
	}
	rcpt := t.Rcpt
	for i, status := range result.Recipients {
		if status.Code == 0 {
			continue
		}
		a.unheard = false
		a.statuses[first+i] = wantsLogin(a.facts, status)
		a.commands[first+i] = answered(result, i)
		if rcpt.Code == 0 && a.commands[first+i] == "RCPT TO" {
			rcpt = status // none was accepted: tell the first refusal
		}
	}
	if t.FinalAt > 0 {
		a.sendTime = t.FinalAt
	}
	if !a.traced {
		return
	}
	offset := t.Start.Sub(a.started)
	for _, s := range [...]Step{
		{Phase: "mail", At: t.MailAt, Status: t.Mail},
		{Phase: "rcpt", At: t.RcptAt, Status: rcpt},
		{Phase: "data", At: t.DataAt, Status: t.Data},
		{Phase: "end", At: t.FinalAt, Status: t.Final},
	} {
		if s.Status.Code != 0 && len(a.steps) < MaxSteps {
			s.At += offset
			a.steps = append(a.steps, s)
		}
	}
}

// answered names the command that a recipient's status was the reply to.
func answered(result *smtp.Result, recipient int) string {
	t, status := &result.Trace, result.Recipients[recipient]
	switch {
	case !status.Remote:
		return ""
	case result.Taken != nil && result.Taken[recipient] && t.Final.Code != 0:
		return "end of DATA" // in LMTP, of which Final is one
	case !t.Mail.Positive():
		return "MAIL FROM"
	case t.Final.Code != 0 && status == t.Final:
		return "end of DATA"
	case t.Data.Code >= 400 && status == t.Data:
		return "DATA"
	default:
		return "RCPT TO"
	}
}

// detail is what trace tells of the attempt. It begins with the connection, if that was opened for it.
func (a *attempt) detail() *Detail {
	f := a.facts
	steps := slices.Concat(f.steps, a.steps) // a copy: other attempts have the same facts
	for i := range steps {
		steps[i].At += f.route.Took
		if i >= len(f.steps) {
			steps[i].At += f.connectTook
		}
	}
	return &Detail{Start: a.started.Add(-f.connectTook - f.route.Took), Route: f.route, Reused: f.reused, Steps: steps}
}

// lostConnection is the status of a recipient that got no final reply: tried again, never
// bounced (RFC 5321 4.5.3.2.6).
func lostConnection(f *peerFacts, err error) message.Status {
	text := fmt.Sprintf("connection to %s lost: %v", f.host, err)
	var phase *smtp.PhaseError
	if errors.As(err, &phase) {
		text = fmt.Sprintf("connection to %s lost at %s: %v", f.host, phase.Phase, phase.Err)
	}
	return localStatus(451, message.EnhancedCode{4, 4, 2}, text)
}
