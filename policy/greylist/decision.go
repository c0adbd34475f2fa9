package greylist

import (
	"fmt"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// Decision is the answer to an attempt.
type Decision struct {
	Pass bool
	// Wait is how long it takes until the client would pass; 0 with Pass.
	Wait   time.Duration
	Reason Reason
}

// Reason says why an attempt passes or waits.
type Reason uint8

const (
	New              Reason = iota // waits: never seen, or too long ago
	TooEarly                       // waits: came back before the delay was over
	CameBack                       // passes: has waited
	KnownTriplet                   // passes: has come back before
	KnownClient                    // passes: the network has come back often enough
	AllowedClient                  // passes: configured or allowed by an operator, or no network client
	AllowedSender                  // passes: as above
	AllowedRecipient               // passes: as above
	SPF                            // passes: SPF names the client
	Failed                         // passes: nothing can be looked up
	NumReasons
)

// String returns the name that events and metrics use.
func (r Reason) String() string {
	names := [NumReasons]string{"new", "too-early", "came-back", "known-triplet", "known-client",
		"allowed-client", "allowed-sender", "allowed-recipient", "spf", "failed"}
	if r >= NumReasons {
		return "unknown"
	}
	return names[r]
}

// Status returns the reply to RCPT: 451 4.7.1 with the wait in words, or the zero Status if the
// attempt passes.
func (d Decision) Status() message.Status {
	if d.Pass {
		return message.Status{}
	}
	return message.Status{Code: 451, Enhanced: message.EnhancedCode{4, 7, 1},
		Text: "Greylisted, please try again in " + inWords(d.Wait)}
}

// inWords tells a wait, rounded up, so that whoever takes it at its word is not too early.
func inWords(d time.Duration) string {
	switch {
	case d <= time.Second:
		return "1 second"
	case d <= time.Minute:
		return plural(d, time.Second, "second")
	case d <= 2*time.Hour:
		return plural(d, time.Minute, "minute")
	default:
		return plural(d, time.Hour, "hour")
	}
}

func plural(d, unit time.Duration, name string) string {
	n := (d + unit - 1) / unit
	if n == 1 {
		return "1 " + name
	}
	return fmt.Sprintf("%d %ss", n, name)
}
