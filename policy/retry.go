// Package policy decides and never acts: when to try again, how hard a site
// may be pressed, who may relay. It has no clock and does no input or output; whoever asks brings
// the time and the chance.
package policy

import (
	"errors"
	"fmt"
	"time"

	"github.com/posthaste-mta/posthaste/policy/classify"
)

// Schedule says when a deferred recipient is tried again.
type Schedule struct {
	// Intervals are the waits after the first, second, ... attempt; the last one repeats.
	Intervals []time.Duration
	// Jitter is the share of a wait, 0 to 1, that is left to chance: 0.1 means from 10 % less to
	// 10 % more. It keeps the mail that one outage deferred from coming back at one instant.
	Jitter float64
	// Expire is the age at which a message is given up (RFC 5321 4.5.4.1: 4 to 5 days at least).
	Expire time.Duration
	// DelayWarning is the age at which the sender is told once of the delay; 0 means never.
	DelayWarning time.Duration
	// GreylistRetry is the wait after a first attempt that met greylisting. After each further one it is three times
	// as long, as most servers want five minutes and do not say so; always if that is shorter than that of Intervals.
	// 0 means no difference is made.
	GreylistRetry time.Duration
}

// minDelay keeps a schedule of zeros from retrying in a loop that never rests.
const minDelay = time.Millisecond

// DefaultSchedule is what holds where nothing is configured.
func DefaultSchedule() Schedule {
	return Schedule{
		Intervals: []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute,
			30 * time.Minute, time.Hour, time.Hour, 2 * time.Hour, 4 * time.Hour},
		Jitter:        0.1,
		Expire:        5 * 24 * time.Hour,
		DelayWarning:  4 * time.Hour,
		GreylistRetry: time.Minute,
	}
}

// Validate tells what in a configured schedule cannot be meant.
func (s Schedule) Validate() error {
	if len(s.Intervals) == 0 {
		return errors.New("policy: retry schedule without intervals")
	}
	for i, d := range s.Intervals {
		if d < minDelay {
			return fmt.Errorf("policy: retry interval %d is %v, less than %v", i+1, d, minDelay)
		}
	}
	if !(s.Jitter >= 0 && s.Jitter < 1) { // so written, NaN fails too
		return fmt.Errorf("policy: retry jitter %v is not in [0, 1)", s.Jitter)
	}
	if s.Expire <= 0 {
		return fmt.Errorf("policy: expiry %v is not positive", s.Expire)
	}
	if s.DelayWarning < 0 || s.GreylistRetry < 0 {
		return errors.New("policy: negative delay warning or greylist retry")
	}
	return nil
}

// Next returns how long to wait after the given number of attempts (1 after the first). age is
// that of the message; rnd, in [0, 1), is the chance for the jitter. A wait that would end behind
// the expiry ends at it, so that the last attempt is made just before the message is given up.
// The wait is never less than a millisecond, also for a schedule without intervals.
//
// What the refusal calls for is heeded: RetrySoon shortens the first waits, SlowDown makes any twice as long.
func (s *Schedule) Next(attempts int, age time.Duration, action classify.Action, rnd float64) time.Duration {
	var d time.Duration
	if n := len(s.Intervals); n > 0 {
		d = s.Intervals[min(max(attempts-1, 0), n-1)]
	}
	switch {
	case action == classify.RetrySoon && s.GreylistRetry > 0:
		early := s.GreylistRetry
		for i := 1; i < attempts && early < d; i++ {
			early *= 3
		}
		d = min(d, early)
	case action == classify.SlowDown:
		d *= 2
	}
	d += time.Duration(s.Jitter * (2*rnd - 1) * float64(d))
	if left := s.Expire - max(age, 0); s.Expire > 0 && left > 0 {
		d = min(d, left)
	}
	return max(d, minDelay)
}

// Expired tells, after a failed attempt, whether a message of that age is given up.
func (s *Schedule) Expired(age time.Duration) bool { return s.Expire > 0 && age >= s.Expire }

// WarnDue tells whether the sender is to be told of the delay now.
func (s *Schedule) WarnDue(age time.Duration, warned bool) bool {
	return !warned && s.DelayWarning > 0 && age >= s.DelayWarning
}

// Schedules is the schedule of every destination.
type Schedules struct {
	Default Schedule
	// Domains holds whole schedules by domain, in lower case and as A-label, or by ".suffix" for
	// all domains below it.
	Domains map[string]*Schedule
}

// For returns the schedule of a domain. It is shared: do not change it.
func (s *Schedules) For(domain string) *Schedule {
	if own, ok := lookup(s.Domains, domain); ok {
		return own
	}
	return &s.Default
}
