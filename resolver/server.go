package resolver

import (
	"sync"
	"time"
)

const (
	deadAfter   = 3 // failures in a row
	deadAtFirst = 5 * time.Second
	deadAtMost  = 2 * time.Minute
	// A server is slow when it takes slowFactor times as long as the fastest, and more than slowFrom.
	slowFactor = 4
	slowFrom   = 100 * time.Millisecond
	// speedForgotten is when a measured speed is no longer believed, so that a server which was slow
	// gets its place back and is measured anew.
	speedForgotten = time.Minute
	// plainForgotten is when EDNS is tried again with a server that did not take it.
	plainForgotten = time.Hour
)

// server is one upstream server and what we remember of it.
type server struct {
	addr string

	mu         sync.Mutex
	smoothed   time.Duration // how long answers take, smoothed as in TCP
	measured   time.Time     // when smoothed was last changed
	failures   int           // in a row
	deadSince  time.Time     // zero: not dead
	deadUntil  time.Time     // when the next question is allowed to find out
	deadFor    time.Duration
	plainUntil time.Time
}

// speed is how long the server takes to answer; 0 when that is not known.
func (s *server) speed(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.speedLocked(now)
}

func (s *server) speedLocked(now time.Time) time.Duration {
	if now.Sub(s.measured) > speedForgotten {
		return 0
	}
	return s.smoothed
}

// rank is 0 for a good server, 1 for a slow and 2 for a dead one. When a dead server's time is over, the
// one question that learns of it first is its test; the others keep away until it is known how that went.
func (s *server) rank(now time.Time, fastest, timeout time.Duration) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.deadSince.IsZero() {
		if now.Before(s.deadUntil) {
			return 2
		}
		s.deadUntil = now.Add(timeout)
		return 0
	}
	if v := s.speedLocked(now); v > slowFrom && v > slowFactor*fastest {
		return 1
	}
	return 0
}

func (s *server) succeeded(now time.Time, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.speedLocked(now) == 0 {
		s.smoothed = took
	}
	s.smoothed += (took - s.smoothed) / 8
	s.measured = now
	s.failures, s.deadFor = 0, 0
	s.deadSince, s.deadUntil = time.Time{}, time.Time{}
}

// failed counts a failure of a try that began at started. Of the tries that were under way together when
// the server died, the later to end say nothing new.
func (s *server) failed(now, started time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.deadSince.IsZero() && started.Before(s.deadSince) {
		return
	}
	if s.failures++; s.failures < deadAfter {
		return
	}
	s.deadFor = min(max(2*s.deadFor, deadAtFirst), deadAtMost)
	s.deadSince, s.deadUntil = now, now.Add(s.deadFor)
}

// plain tells whether the server is to be asked without EDNS.
func (s *server) plain(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.plainUntil)
}

func (s *server) setPlain(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plainUntil = now.Add(plainForgotten)
}
