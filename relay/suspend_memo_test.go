package relay

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// only returns the relay's one lane.
func (s *story) only(t *testing.T) *lane {
	t.Helper()
	if len(s.relay.lanes.lanes) != 1 {
		t.Fatalf("%d lanes", len(s.relay.lanes.lanes))
	}
	for _, l := range s.relay.lanes.lanes {
		return l
	}
	return nil
}

// The failures in a row go on counting after a restart, and with other limits the site is asked at once.
func TestSuspensionOutlivesRestart(t *testing.T) {
	inStory(t, "greeting -> 421 4.3.2 busy then close", func(t *testing.T, s *story) {
		send := func() *lane {
			s.submit([]string{"from=", "to=bob@x.test"}, nil)
			s.seen()
			return s.only(t)
		}
		send()
		time.Sleep(2*time.Minute + 35*time.Second) // half of the first interval has passed
		before := send()
		s.step("restart", nil)
		after := send()
		left := after.suspendedUntil.Sub(before.suspendedUntil).Abs()
		if after == before || before.failures != 2 || after.failures != 2 || after.reason != before.reason || left > time.Second {
			t.Errorf("%d failures, %v; before %d, %v; ends %v apart", after.failures, after.reason, before.failures, before.reason, left)
		}
		if n := s.relay.Metrics().Connections; n != 0 {
			t.Errorf("%d connections", n)
		}
		s.step("policy connections=7", nil)
		s.step("restart", nil)
		if send(); s.relay.Metrics().Connections == 0 {
			t.Error("nobody asked, though the limits are others")
		}
	})
}

// What a host says for good makes mail bounce, so it is heard again after a restart.
func TestPermanentRefusalIsNotRemembered(t *testing.T) {
	inStory(t, "greeting -> 554 5.7.1 not you then close", func(t *testing.T, s *story) {
		s.submit([]string{"from=", "to=bob@x.test"}, nil)
		s.seen()
		if n := len(s.queue.Memos()); n != 0 {
			t.Errorf("%d memos", n)
		}
	})
}

// A connection that we cut short ourselves at the end tells nothing of the site.
func TestAbortSuspendsNobody(t *testing.T) {
	inStory(t, "greeting -> stall", func(t *testing.T, s *story) {
		s.submit([]string{"from=", "to=bob@x.test"}, nil)
		s.seen()
		s.relay.Abort()
		err := <-s.ended
		s.ended <- err // for stop
		if n := len(s.queue.Memos()); n != 0 {
			t.Errorf("%d memos", n)
		}
	})
}

// What is no longer true goes: at the start, and within a minute of its end though no mail asks. A clock
// that was set back meanwhile makes nothing last for days.
func TestMemosOfSuspensionsEnd(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		set := func(name string, until, pause time.Duration) {
			value, err := json.Marshal(suspensionMemo{
				Until: s.queue.Now().Add(until), Pause: pause, Failures: 1,
				Reason: message.Status{Code: 451, Text: "away"},
			})
			if err == nil {
				err = s.queue.SetMemo(name, value)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		set("past", -time.Second, time.Minute)
		set("set back", 48*time.Hour, time.Minute)
		set("true", 3*time.Minute, 10*time.Minute)
		if err := s.queue.SetMemo("not ours", []byte("{")); err != nil {
			t.Fatal(err)
		}
		s.step("restart", nil)
		if n := s.queue.Memos(); len(n) != 1 || n["true"] == nil {
			t.Errorf("%d memos at the start", len(n))
		}
		time.Sleep(4*time.Minute + time.Second)
		if n := len(s.queue.Memos()); n != 0 {
			t.Errorf("%d memos after their end", n)
		}
	})
}
