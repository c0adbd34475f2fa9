package relay

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/queue"
)

// The pool against a model: it holds no more than its limit, or one that is larger; whoever waits is served in
// order and as soon as there is room; nothing is lost.
func TestPool(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &pool{limit: 100}
		var held []int64
		var line, served []*shelved
		look := func(next []*shelved) {
			for _, s := range next {
				if len(line) == 0 || s != line[0] {
					t.Fatal("served out of turn")
				}
				line, served = line[1:], append(served, s)
			}
		}
		size := rapid.OneOf(rapid.Int64Range(0, 30), rapid.Int64Range(0, 200))
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				if n := size.Draw(t, "size"); p.take(n) {
					if len(line) > 0 {
						t.Fatal("somebody was passed")
					}
					held = append(held, n)
				}
			},
			"join": func(t *rapid.T) {
				s := &shelved{claim: claim{p, size.Draw(t, "size")}}
				line = append(line, s)
				look(p.join(s))
			},
			"give": func(t *rapid.T) {
				if len(held) == 0 {
					t.Skip("nothing is held")
				}
				i := rapid.IntRange(0, len(held)-1).Draw(t, "which")
				n := held[i]
				held = slices.Delete(held, i, i+1)
				look(p.give(n))
			},
			"leave": func(t *rapid.T) {
				all := slices.Concat(line, served)
				if len(all) == 0 {
					t.Skip("nobody is there")
				}
				s := rapid.SampledFrom(all).Draw(t, "who")
				i := slices.Index(line, s)
				if i >= 0 {
					line = slices.Delete(line, i, i+1)
				}
				next, waited := p.leave(s)
				if waited != (i >= 0) {
					t.Fatal("it does not know who waits")
				}
				look(next)
				if !waited {
					served = slices.DeleteFunc(served, func(x *shelved) bool { return x == s })
					look(p.give(s.claim.bytes))
				}
			},
			"": func(t *rapid.T) {
				parts := slices.Clone(held)
				for _, s := range served {
					parts = append(parts, s.claim.bytes)
				}
				var sum, largest int64
				for _, n := range parts {
					sum += n
					largest = max(largest, n)
				}
				if sum != p.taken.Load() || int64(len(line)) != p.waiting.Load() {
					t.Fatalf("%d taken and %d waiting, not %d and %d", p.taken.Load(), p.waiting.Load(), sum, len(line))
				}
				if sum > p.limit && sum != largest {
					t.Fatalf("%d are taken of %d", sum, p.limit)
				}
				if len(line) > 0 && (sum == 0 || sum+line[0].claim.bytes <= p.limit) {
					t.Fatal("the first in line waits for nothing")
				}
			},
		})
	})
}

// inTightStory is inStory with so much memory for content. x.test's host takes ten seconds over each message.
func inTightStory(t *testing.T, memory int64, test func(t *testing.T, s *story)) {
	inStory(t, "DOT -> wait 10s then 250 2.0.0 taken", func(t *testing.T, s *story) {
		s.relay.memory = newMemory(memory)
		s.step("zone", []string{"z.test MX 10 mx.z.test", "mx.z.test A 192.0.2.9"})
		s.step("remote mx.z.test", nil)
		test(t, s)
		s.noneHeld()
	})
}

func (s *story) noneHeld() {
	s.t.Helper()
	if m := s.relay.Metrics(); m.ContentBytes != 0 || m.ContentWaiting != 0 {
		s.t.Errorf("%d bytes are still held, %d messages wait", m.ContentBytes, m.ContentWaiting)
	}
}

// submitSized hands in a message of about kib KiB.
func (s *story) submitSized(to string, kib int) {
	s.submit([]string{"from=", "to=" + to}, slices.Repeat([]string{strings.Repeat("x", 510)}, 2*kib))
}

// eventually lets time pass until n messages have been delivered, and returns when each was and the most memory that
// was in use.
func (s *story) eventually(n int) (delivered []string, most int64) {
	began := time.Now()
	for len(delivered) < n && time.Since(began) < time.Hour {
		synctest.Wait()
		most = max(most, s.relay.Metrics().ContentBytes)
		for _, e := range s.sub.drain() {
			if e.Type == EventDelivered {
				delivered = append(delivered, e.Recipient)
			}
		}
		time.Sleep(time.Second)
	}
	if len(delivered) != n {
		s.t.Errorf("%d of %d delivered", len(delivered), n)
	}
	return delivered, most
}

func TestMemoryIsNotExceeded(t *testing.T) {
	const limit = 1 << 20
	inTightStory(t, limit, func(t *testing.T, s *story) {
		for i := range 60 {
			s.submitSized(fmt.Sprintf("r%d@%s.test", i, []string{"x", "y"}[i%2]), 200)
		}
		_, most := s.eventually(60)
		if most > limit || most < limit/2 {
			t.Errorf("up to %d bytes were in use of %d", most, limit)
		}
	})
}

func TestOversizeMessageGoesAloneAndInTurn(t *testing.T) {
	inTightStory(t, 1<<20, func(t *testing.T, s *story) {
		for i := range 8 {
			s.submitSized(fmt.Sprintf("before%d@x.test", i), 200)
		}
		s.submitSized("oversize@x.test", 2000)
		for i := range 8 {
			s.submitSized(fmt.Sprintf("after%d@x.test", i), 200)
		}
		delivered, most := s.eventually(17)
		if i := slices.Index(delivered, "oversize@x.test"); i != 8 {
			t.Errorf("it did not go in its turn: %v", delivered)
		}
		if most < 2000<<10 || most > 2100<<10 {
			t.Errorf("up to %d bytes were in use", most)
		}
	})
}

func TestSmallMailPassesLarge(t *testing.T) {
	inTightStory(t, 1<<20, func(t *testing.T, s *story) {
		for i := range 12 {
			s.submitSized(fmt.Sprintf("large%d@x.test", i), 800)
		}
		s.submitSized("large@z.test", 800) // has to wait for those before it
		time.Sleep(time.Second)
		s.sub.drain()
		s.submitSized("small@z.test", 4)
		s.submitSized("small@y.test", 4) // by connections to the site of the large ones
		delivered, _ := s.eventually(15)
		if !slices.Equal(delivered[:2], []string{"small@z.test", "large0@x.test"}) || !slices.Contains(delivered[:5], "small@y.test") {
			t.Errorf("small mail was held up: %v", delivered)
		}
	})
}

// A site that does not serve us is told of at once, also for mail that waits for memory which others have.
func TestMailThatWaitsIsDeferredWithTheSite(t *testing.T) {
	inTightStory(t, 1<<20, func(t *testing.T, s *story) {
		s.submitSized("large@x.test", 800)
		time.Sleep(time.Second)
		s.submitSized("a@z.test", 800)
		time.Sleep(time.Second) // a connection was opened for it and waits no longer
		s.step("remote mx.z.test", []string{"down"})
		time.Sleep(time.Minute)
		s.sub.drain()
		s.submitSized("large@y.test", 800)
		time.Sleep(time.Second)
		for i := range 3 {
			s.submitSized(fmt.Sprintf("b%d@z.test", i), 400)
		}
		s.submitSized("small@z.test", 4) // has memory, and so finds out
		if seen := s.seen(); strings.Count(seen, "deferred") != 4 {
			t.Errorf("not all were told:\n%s", seen)
		}
		s.step("remote mx.z.test", nil)
		time.Sleep(time.Hour)
	})
}

// Mail that waits holds nobody up when the relay ends, and is due at the next start.
func TestEndWhileMailWaits(t *testing.T) {
	inTightStory(t, 1<<20, func(t *testing.T, s *story) {
		s.step("remote mx.z.test", []string{"MAIL -> stall"})
		for i := range 10 {
			s.submitSized(fmt.Sprintf("r%d@z.test", i), 800)
		}
		time.Sleep(time.Second)
		if n := s.relay.Metrics().ContentWaiting; n != 9 {
			t.Errorf("%d wait", n)
		}
		began := time.Now()
		s.relay.Abort()
		if err := <-s.ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		s.ended <- nil // for stop
		s.noneHeld()
		if n := s.queue.Metrics().Recipients[queue.InFlight]; n != 0 {
			t.Errorf("%d are still lent", n)
		}
	})
}

// A new policy reaches mail that waits: it is routed anew.
func TestMailThatWaitsFollowsThePolicy(t *testing.T) {
	inTightStory(t, 1<<20, func(t *testing.T, s *story) {
		for i := range 10 {
			s.submitSized(fmt.Sprintf("r%d@x.test", i), 800)
		}
		time.Sleep(time.Second)
		s.limits.TLS = policy.TLSVerify
		s.relay.SetPolicy(s.shaped())
		time.Sleep(time.Minute)
		if seen := s.seen(); strings.Count(seen, "TLS is required") != 9 {
			t.Errorf("all but the one on its way need TLS now:\n%s", seen)
		}
	})
}

// A rate is kept by mail that has waited for memory, and it does not keep its memory while it waits for a start.
func TestMemoryAndRate(t *testing.T) {
	inTightStory(t, 1<<20, func(t *testing.T, s *story) {
		s.limits.MessagesPerSecond = 1.0 / 60
		s.relay.SetPolicy(s.shaped())
		for i := range 4 {
			s.submitSized(fmt.Sprintf("slow%d@x.test", i), 800)
		}
		for range 4 {
			time.Sleep(time.Minute)
			if n := s.relay.Metrics().ContentBytes; n > 801<<10 {
				t.Errorf("%d bytes in use", n)
			}
		}
		delivered, _ := s.eventually(4)
		if !slices.IsSorted(delivered) {
			t.Errorf("out of order: %v", delivered)
		}
	})
}

func TestRecorderBacklogIsBoundedInBytes(t *testing.T) {
	large := func(n int) outcome {
		return outcome{settlement: queue.Settlement{Reports: []queue.NewMessage{{Envelope: &message.Envelope{}, Content: make([]byte, n)}}}}
	}
	synctest.Test(t, func(t *testing.T) {
		c := newRecorder(nil)
		added := 0
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for ; added < 7; added++ {
				c.add(large(recordBacklogBytes / 4))
			}
			c.add(large(2 * recordBacklogBytes)) // goes alone
			added++
		}()
		synctest.Wait()
		if added != 4 {
			t.Fatalf("%d wait, and each is a fourth of the bound", added)
		}
		var batch batch
		for range 7 {
			o := <-c.in
			batch.add(&o)
			if !batch.full() {
				t.Error("that is enough for one batch")
			}
			c.large.Release(batch.weight)
			batch.reset()
			synctest.Wait()
		}
		if added != 8 {
			t.Fatalf("%d were added; one may be larger than the bound", added)
		}
		<-ended
		go c.end() // recording has failed
		c.add(large(recordBacklogBytes))
	})
}

// BenchmarkMemory is what a small message pays for the bound, while nobody waits.
func BenchmarkMemory(b *testing.B) {
	m := newMemory(DefaultMemory)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if c, ok := m.take(4096); ok {
				m.give(c)
			}
		}
	})
}
