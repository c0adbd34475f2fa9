package main

import (
	"testing"
)

// A queue at its limit turns mail away with 452 and goes on delivering; when there is room it takes mail again.
func TestQueueFull(t *testing.T) {
	s := newCrashStory(t, "queue.max_messages = 40")
	s.load.clean = true
	s.relay.start()
	s.relay.awaitReady()
	s.load.to = []string{"stuck.test", "stuck.test", "take.test"}
	s.load.send(s.relay.addr, 200)
	turnedAway := s.load.refused(t, "452 4.3.1")
	if turnedAway == 0 {
		t.Error("no message was turned away")
	}
	eventually(t, "mail that can be delivered leaves the full queue", func() bool { return s.ledger.arrivedAt("take.test") })
	s.relay.kill()
	s.relay.awaitExit()
	s.relay.reckon("with a full queue")

	s.relay.start()
	s.relay.awaitReady()
	s.world.open.Store(true)
	s.acceptsAgain()
	s.relay.drain()
}

// acceptsAgain sends messages until one is accepted.
func (s *crashStory) acceptsAgain() {
	s.Helper()
	s.load.to = []string{"take.test"}
	before := s.ledger.accepted()
	eventually(s.T, "a message is accepted again", func() bool {
		s.load.send(s.relay.addr, 1)
		return s.ledger.accepted() > before
	})
	s.load.refused(s.T, "452 4.3.1")
}
