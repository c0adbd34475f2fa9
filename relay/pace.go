package relay

import "time"

// pace waits until the next message may start under the site's rate. false means that there is no mail,
// that mayWait is not set and it may not start at once, or that the relay stops leasing.
func (l *lane) pace(mayWait bool) bool {
	if l.key.limits.MessagesPerSecond <= 0 {
		return true
	}
	wait, ok := l.reserveStart(mayWait)
	if wait == 0 || !ok {
		return ok
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.relay.leasing.Done():
	}
	l.mu.Lock()
	l.pacing--
	l.mu.Unlock()
	return l.relay.leasing.Err() == nil
}

// reserveStart takes the next start under the site's rate and returns how long it is until then. If there is no
// mail, or that is not at once and mayWait is not set, nothing is taken and ok is false.
func (l *lane) reserveStart(mayWait bool) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) == 0 || l.full() {
		return 0, false
	}
	now := time.Now()
	if full := now.Add(-l.burst()); l.nextStart.Before(full) {
		l.nextStart = full
	}
	wait = max(l.nextStart.Sub(now), 0)
	if wait > 0 && !mayWait {
		return wait, false
	}
	l.nextStart = l.nextStart.Add(l.gap())
	if wait > 0 {
		l.pacing++
	}
	return wait, true
}

// refund gives back a start for which no mail was found: the ring may name a domain that another worker has
// just emptied.
func (l *lane) refund() {
	if l.key.limits.MessagesPerSecond <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nextStart = l.nextStart.Add(-l.gap())
}

// gap is the time between two messages under the site's rate, at most a day.
func (l *lane) gap() time.Duration {
	return time.Duration(min(float64(time.Second)/l.key.limits.MessagesPerSecond, float64(24*time.Hour)))
}

// burst is how far behind the clock the next start may be: the messages that may start at once.
func (l *lane) burst() time.Duration { return l.gap() * time.Duration(max(l.key.limits.Burst-1, 0)) }

// owes tells that the lane has started messages which its rate has not paid for yet.
//
// REQUIRES l.mu.
func (l *lane) owes(now time.Time) bool {
	return l.key.limits.MessagesPerSecond > 0 && l.nextStart.After(now.Add(-l.burst()))
}
