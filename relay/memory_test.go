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

// poolModel is what is to be in a pool.
type poolModel struct {
	*rapid.T
	pool   *pool
	lanes  []*share
	held   []claim // by lanes that did not wait, or have been served
	line   []*shelved
	served []*shelved
}

func (m *poolModel) taken() (sum, largest int64) {
	for _, c := range m.held {
		sum, largest = sum+c.bytes, max(largest, c.bytes)
	}
	return sum, largest
}

func (m *poolModel) has(lane *share) (sum int64) {
	for _, c := range m.held {
		if c.share == lane {
			sum += c.bytes
		}
	}
	return sum
}

// modest tells whether a lane may have so much more, if there is room.
func (m *poolModel) modest(c claim) bool {
	has := m.has(c.share)
	taken, _ := m.taken()
	return has == 0 || has+c.bytes <= 100-taken-c.bytes
}

func (m *poolModel) fits(c claim) bool {
	taken, _ := m.taken()
	return taken == 0 || taken+c.bytes <= 100
}

// first returns the first in line who waits for others than his lane, nil if there is none.
func (m *poolModel) first() *shelved {
	seen := map[*share]bool{}
	for _, s := range m.line {
		if !seen[s.claim.share] && m.modest(s.claim) {
			return s
		}
		seen[s.claim.share] = true
	}
	return nil
}

func (m *poolModel) look(next []*shelved) {
	for _, s := range next {
		if s != m.first() || !m.fits(s.claim) {
			m.Fatal("served out of turn")
		}
		m.line = slices.DeleteFunc(m.line, func(x *shelved) bool { return x == s })
		m.served, m.held = append(m.served, s), append(m.held, s.claim)
	}
}

func (m *poolModel) give(i int) {
	c := m.held[i]
	m.held = slices.Delete(m.held, i, i+1)
	m.look(m.pool.give(c.share, c.bytes))
}

// check holds the pool against the model.
func (m *poolModel) check() {
	sum, largest := m.taken()
	if p := m.pool; sum != p.taken.Load() || int64(len(m.line)) != p.waiting.Load() {
		m.Fatalf("%d taken and %d waiting, not %d and %d", p.taken.Load(), p.waiting.Load(), sum, len(m.line))
	}
	if sum > 100 && sum != largest {
		m.Fatalf("%d are taken of 100", sum)
	}
	for _, lane := range m.lanes {
		if n := m.has(lane); n != lane.bytes.Load() {
			m.Fatalf("a lane has %d, not %d", lane.bytes.Load(), n)
		}
	}
	if s := m.first(); s != nil && m.fits(s.claim) {
		m.Fatal("the first in line waits for nothing")
	}
}

// The pool against a model: it holds no more than its limit, or one that is larger; a lane has no more than it leaves;
// whoever waits is served as soon as there is room, in order but for those whose lane has enough; nothing is lost.
func TestPool(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &poolModel{T: t, pool: &pool{limit: 100}, lanes: []*share{{}, {}, {}}}
		size := rapid.OneOf(rapid.Int64Range(0, 30), rapid.Int64Range(0, 200))
		draw := func(t *rapid.T) claim {
			return claim{m.pool, rapid.SampledFrom(m.lanes).Draw(t, "lane"), size.Draw(t, "size")}
		}
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				c := draw(t)
				waits := slices.ContainsFunc(m.line, func(s *shelved) bool { return s.claim.share == c.share })
				if may := m.first() == nil && !waits && m.modest(c) && m.fits(c); m.pool.take(c.share, c.bytes) != may {
					t.Fatalf("taking should be %v", may)
				} else if may {
					m.held = append(m.held, c)
				}
			},
			"join": func(t *rapid.T) {
				s := &shelved{claim: draw(t)}
				m.line = append(m.line, s)
				m.look(m.pool.join(s))
			},
			"give": func(t *rapid.T) {
				if len(m.held) == 0 {
					t.Skip("nothing is held")
				}
				m.give(rapid.IntRange(0, len(m.held)-1).Draw(t, "which"))
			},
			"leave": func(t *rapid.T) {
				all := slices.Concat(m.line, m.served)
				if len(all) == 0 {
					t.Skip("nobody is there")
				}
				s := rapid.SampledFrom(all).Draw(t, "who")
				waits := slices.Contains(m.line, s)
				m.line = slices.DeleteFunc(m.line, func(x *shelved) bool { return x == s })
				next, waited := m.pool.leave(s)
				if waited != waits {
					t.Fatal("it does not know who waits")
				}
				m.look(next)
				m.served = slices.DeleteFunc(m.served, func(x *shelved) bool { return x == s })
			},
			"": func(*rapid.T) { m.check() },
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
		if most > limit || most < limit/3 {
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
		var has shares // each has a lane of its own
		for pb.Next() {
			if c, ok := m.take(&has, 4096); ok {
				m.give(c)
			}
		}
	})
}

// A site that stalls in the middle of large mail leaves memory for others, and so do two of them.
func TestStalledSiteLeavesMemory(t *testing.T) {
	inTightStory(t, 1<<20, func(t *testing.T, s *story) {
		s.step("zone", []string{"w.test MX 10 mx.w.test", "mx.w.test A 192.0.2.10"})
		s.step("remote mx.w.test", []string{"DOT -> stall"})
		s.step("remote mx.z.test", []string{"DOT -> stall"})
		for i := range 10 {
			s.submitSized(fmt.Sprintf("r%d@w.test", i), 100)
			s.submitSized(fmt.Sprintf("r%d@z.test", i), 100)
		}
		time.Sleep(time.Minute)
		s.sub.drain()
		for i := range 6 {
			s.submitSized(fmt.Sprintf("r%d@x.test", i), 100)
		}
		time.Sleep(90 * time.Second) // ten seconds for each
		delivered := 0
		for _, e := range s.sub.drain() {
			if e.Type == EventDelivered {
				delivered++
			}
		}
		if delivered != 6 {
			t.Errorf("%d were delivered to a site that does not stall", delivered)
		}
		s.step("remote mx.w.test", nil)
		s.step("remote mx.z.test", nil)
		s.eventually(20)
	})
}
