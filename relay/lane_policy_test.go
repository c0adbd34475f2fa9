package relay

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/queue"
)

// Mail may be given back in the moment in which it begins to wait.
func TestShelveAndUnshelveAtOnce(t *testing.T) {
	inTightStory(t, 1<<20, func(t *testing.T, s *story) {
		l := &lane{relay: s.relay, known: map[string]*laneDomain{}}
		var other shares
		held, _ := s.relay.memory.take(&other, 800<<10)
		const n = 5000
		var both sync.WaitGroup
		both.Go(func() {
			for range n {
				l.shelve(&queue.Lease{Envelope: &message.Envelope{Size: 500 << 10}}, s.relay.policy.Load())
			}
		})
		both.Go(func() {
			for got := 0; got < n; {
				if l.unshelve(func(*queue.Lease) bool { return true }) != nil {
					got++
				}
			}
		})
		both.Wait()
		s.relay.memory.give(held)
	})
}

// A lane that waits for one of the process's connections when its mail is to go by another lane does not open it.
func TestPolicyReachesLaneInLine(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		s.relay.slots = newSlots(1)
		s.step("zone", []string{"z.test MX 10 mx.z.test", "mx.z.test A 192.0.2.9"})
		s.step("remote mx.z.test", []string{"MAIL -> stall"})
		s.submit([]string{"from=", "to=a@z.test"}, nil)
		time.Sleep(time.Second)
		s.submit([]string{"from=", "to=b@x.test"}, nil)
		time.Sleep(time.Second)
		s.limits.TLS = policy.TLSVerify
		s.relay.SetPolicy(s.shaped())
		time.Sleep(7 * time.Minute)
		// That to mx.z.test, which has just died, may be made anew in the same moment.
		if n := s.remotes["mx.x.test"].Connections(); n != 1 {
			t.Errorf("%d connections to mx.x.test", n)
		}
	})
}

// Mail that was leased under an older policy, and finds no memory, goes back.
func TestShelvingKnowsThePolicy(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		s.relay.Abort()
		s.step("wait 1s", nil)
		_, err := s.queue.Put(context.Background(), &message.Envelope{}, []message.Recipient{{Address: "a@x.test", Domain: "x.test"}}, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		lease, err := s.queue.Lease("x.test")
		if err != nil {
			t.Fatal(err)
		}
		l := &lane{relay: s.relay}
		l.shelve(lease, &Policy{})
		if n := s.queue.Metrics().Recipients[queue.InFlight]; n != 0 || len(l.shelved) != 0 {
			t.Errorf("%d are lent, %d wait", n, len(l.shelved))
		}
		s.noneHeld()
	})
}
