package relay

import (
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
)

// siteFailed is told by a worker, which is about to leave, that the site does not serve us. With other
// connections open it only wants no more of them; with none, it is suspended and its due mail gets the reason.
func (l *lane) siteFailed(status message.Status, facts *peerFacts) {
	retry := l.relay.policy.Load().Retry.For(facts.domain)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if open := l.workers - 1 - l.opening; open > 0 {
		l.ceiling, l.ceilingUntil = open, now.Add(time.Minute)
		return
	}
	l.failures++
	pause := suspension(retry, l.failures)
	if status.Permanent() {
		pause = min(pause, permanentPause) // mail bounces meanwhile, so ask again soon
	}
	l.suspendedUntil = now.Add(pause)
	l.reason, l.reasonFacts = status, facts
	l.memorize(pause)
	l.relay.metrics.suspensions.Add(1)
}

// permanentPause is how long a site is left alone at most after it refused us for good.
const permanentPause = 30 * time.Second

// suspension is how long a site is left alone after its n-th failure in a row: half of what its mail
// waits, so that the mail that is due next finds the site no longer suspended and tries it.
func suspension(s *policy.Schedule, n int) time.Duration {
	const most = 10 * time.Minute
	if len(s.Intervals) == 0 {
		return most
	}
	return min(s.Intervals[min(n, len(s.Intervals))-1]/2, most)
}

// drain defers all that is due while the site is suspended.
func (l *lane) drain() {
	for {
		l.mu.Lock()
		if len(l.ring)+len(l.shelved) == 0 || l.relay.leasing.Err() != nil || !time.Now().Before(l.suspendedUntil) {
			l.draining = false
			l.staff()
			l.mu.Unlock()
			l.relay.lanes.retire(l)
			return
		}
		status, facts := l.reason, l.reasonFacts
		if facts.steps != nil { // the attempt to connect was made once, and so is told of one message
			told := *facts
			told.steps, told.route.Took = nil, 0
			l.reasonFacts = &told
		}
		l.mu.Unlock()
		lease, err := l.takeAny()
		switch {
		case err != nil:
			l.relay.rest()
		case lease != nil:
			l.relay.finish(newAttempt(lease, facts).all(status))
		}
	}
}
