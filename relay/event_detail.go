package relay

import (
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// Detail is what happened within one attempt, for `posthaste trace`. All recipients of one
// transaction may share one Detail; it is not changed once an event holds it.
type Detail struct {
	Start time.Time // of the attempt; the steps' offsets count from here
	Route RouteDetail
	// Reused tells that the connection was open already: there is no connect step then.
	Reused bool
	// Steps are in the order they happened; at most MaxSteps of them are written.
	Steps []Step
}

// RouteDetail tells where the resolver sent the attempt, and why.
type RouteDetail struct {
	Kind   string // mx, implicit, static, smarthost, literal
	Cached bool
	Stale  bool          // an expired answer was used because the servers did not answer
	Took   time.Duration // spent waiting for the answer
	// Hosts are the hosts in the order they are tried; at most MaxDetailHosts are written.
	Hosts []string
}

// Step is one thing done in an attempt and its result.
type Step struct {
	// Phase is what was done: connect, tls, greeting, ehlo, mail, rcpt, data, end.
	Phase string
	// At is when its result was there, counted from the attempt's start.
	At time.Duration
	// Host says which host, for connect ("mx1.example.net [192.0.2.1]:25"); "" otherwise.
	Host string
	// Status is the reply; of a step without one, Code 0 and Text says how it went.
	Status message.Status
}

// Bounds of what is written of one Detail.
const (
	MaxSteps       = 24
	MaxDetailHosts = 8
)
