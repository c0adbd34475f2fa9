package relay

import (
	"time"
)

// EventStats are the numbers that events add up to. They are counted where every event passes,
// so that metrics and the log cannot disagree.
type EventStats struct {
	// Types counts events: of recipients, but for accepted and report (messages) and rejected.
	Types [NumEventTypes]uint64
	// AcceptedBy counts messages by listener; those beyond MaxStatListeners are under "".
	AcceptedBy                        map[string]uint64
	AcceptedRecipients, AcceptedBytes uint64
	// Replies counts events of attempts by the first digit of the reply code; 0 means that the
	// outcome was concluded without a reply.
	Replies [NumEventTypes][6]uint64
	// AcceptSeconds is how long messages took from their first byte to stable storage,
	// DeliverySeconds from there to the next hop's 250.
	AcceptSeconds, DeliverySeconds DelayHistogram
	// PhaseSeconds is how long attempts spent in each phase.
	PhaseSeconds [NumPhases]DelayHistogram
}

// MaxStatListeners bounds EventStats.AcceptedBy.
const MaxStatListeners = 32

// Phase is a part of an attempt, for metrics.
type Phase uint8

const (
	PhaseDNS     Phase = iota // waiting for the route
	PhaseConnect              // the TCP connection
	PhaseTLS                  // the handshake
	PhaseMail                 // MAIL and RCPT, up to the reply to DATA
	PhaseData                 // content, up to the final reply
	NumPhases
)

// String returns the phase's name in metrics.
func (p Phase) String() string {
	return [NumPhases + 1]string{"dns", "connect", "tls", "mail", "data", "unknown"}[min(p, NumPhases)]
}

// DelayBounds are the upper bounds of a DelayHistogram's buckets in seconds: from a fast local hop to
// the five days that mail may wait.
var DelayBounds = [...]float64{
	0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200, 432000,
}

// DelayHistogram counts spans by size.
type DelayHistogram struct {
	// Counts are the spans in each bucket on its own; the last is everything above the bounds.
	Counts [len(DelayBounds) + 1]uint64
	Sum    float64 // seconds
}

func (h *DelayHistogram) observe(d time.Duration) {
	s := max(d, 0).Seconds()
	i := 0
	for i < len(DelayBounds) && s > DelayBounds[i] {
		i++
	}
	h.Counts[i]++
	h.Sum += s
}

// eventTally counts events. REQUIRES: EventLog.mu.
type eventTally struct {
	EventStats
	lastDetail *Detail // recipients of one transaction share it and follow one another
}

func (t *eventTally) add(e *Event) {
	t.Types[min(e.Type, NumEventTypes-1)]++
	switch e.Type {
	case EventAccepted:
		t.addAccepted(e)
	case EventDelivered, EventDeferred, EventBounced, EventExpired:
		class := 0
		if e.Status.Remote {
			class = min(max(e.Status.Code/100, 0), 5)
		}
		t.Replies[e.Type][class]++
		if e.Type == EventDelivered {
			t.DeliverySeconds.observe(e.Timestamp.Sub(e.Created))
		}
		if e.Detail != nil && e.Detail != t.lastDetail {
			t.addPhases(e.Detail)
		}
		t.lastDetail = e.Detail
	}
}

func (t *eventTally) addAccepted(e *Event) {
	t.AcceptedRecipients += uint64(max(e.Recipients, 1))
	t.AcceptedBytes += uint64(max(e.Size, 0))
	t.AcceptSeconds.observe(e.Delays.BeforeQueue)
	if t.AcceptedBy == nil {
		t.AcceptedBy = make(map[string]uint64)
	}
	listener := e.Listener
	if _, known := t.AcceptedBy[listener]; !known && len(t.AcceptedBy) >= MaxStatListeners {
		listener = ""
	}
	t.AcceptedBy[listener]++
}

// addPhases counts how long each step took: the time since the one before it.
func (t *eventTally) addPhases(d *Detail) {
	if !d.Reused && d.Route.Took > 0 {
		t.PhaseSeconds[PhaseDNS].observe(d.Route.Took)
	}
	before := d.Route.Took
	spent, seen := [NumPhases]time.Duration{}, [NumPhases]bool{}
	for _, s := range d.Steps {
		if p, ok := phaseOf(s.Phase); ok {
			spent[p] += s.At - before
			seen[p] = true
		}
		before = s.At
	}
	for p, span := range spent {
		if seen[p] {
			t.PhaseSeconds[p].observe(span)
		}
	}
}

// phaseOf is the phase that a step's time belongs to; greeting and EHLO are in none.
func phaseOf(step string) (Phase, bool) {
	switch step {
	case "connect":
		return PhaseConnect, true
	case "tls":
		return PhaseTLS, true
	case "mail", "rcpt", "data":
		return PhaseMail, true
	case "end":
		return PhaseData, true
	}
	return 0, false
}
