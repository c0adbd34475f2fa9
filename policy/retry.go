// Package policy decides and never acts: when to try again, what a reply means, how hard a site
// may be pressed, who may relay. It has no clock and does no input or output.
package policy

import (
	"time"
)

// Schedule says when a deferred recipient is tried again.
type Schedule struct {
	// Intervals are the waits after the first, second, ... attempt; the last one repeats.
	Intervals []time.Duration
	// Jitter is the share of a wait, 0 to 1, that is left to chance: 0.1 means +-10 %.
	Jitter float64
	// Expire is the age at which a message is given up; checked after an attempt.
	Expire time.Duration
	// DelayWarning is the age at which the sender is told once of the delay; 0 means never.
	DelayWarning time.Duration
	// GreylistRetry is the wait after the first Greylisted reply; 0 means as any other.
	GreylistRetry time.Duration
}

// Next returns how long to wait after the given number of attempts. age is that of the message;
// rnd, in [0, 1), is the chance for the jitter.
func (s Schedule) Next(attempts int, age time.Duration, class ReplyClass, rnd float64) time.Duration {
	return time.Minute
}

// Expired tells whether a message of that age is given up.
func (s Schedule) Expired(age time.Duration) bool { return s.Expire > 0 && age >= s.Expire }

// WarnDue tells whether the sender is to be told of the delay.
func (s Schedule) WarnDue(age time.Duration, warned bool) bool { return false }

// Schedules is the default schedule with those of single domains.
type Schedules struct {
	Default Schedule
	Domains map[string]Schedule // by destination domain, or ".suffix" for all below it
}

// For returns the schedule of a domain.
func (s *Schedules) For(domain string) *Schedule { return &s.Default }
