package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/resolver"
	"github.com/posthaste-mta/posthaste/smtp/smtptest"
)

// inStory runs test in a story whose zone is: x.test and y.test share the hosts of site mx.x.test at 192.0.2.1.
func inStory(t *testing.T, script string, test func(t *testing.T, s *story)) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t)
		s.start()
		s.step("zone", []string{"x.test MX 10 mx.x.test", "y.test MX 10 mx.x.test", "mx.x.test A 192.0.2.1"})
		s.step("remote mx.x.test", strings.Split(script, "\n"))
		test(t, s)
		s.stop()
		s.closeAll()
	})
}

func TestBurstOverDomainsOpensConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t)
		s.start()
		var zone []string
		for i := range 40 {
			zone = append(zone, fmt.Sprintf("d%d.test MX 10 mx.x.test", i))
		}
		s.step("zone", append(zone, "mx.x.test A 192.0.2.1"))
		s.step("remote mx.x.test", []string{"DOT -> wait 10s then 250 2.0.0 taken"})
		for i := range 40 {
			s.submit([]string{"from=", fmt.Sprintf("to=bob@d%d.test", i)}, nil)
		}
		time.Sleep(25 * time.Second)
		if n := s.relay.Metrics().OpenConnections; n < 10 {
			t.Errorf("%d connections for 40 domains of a site that may have 20", n)
		}
		time.Sleep(time.Minute)
		if seen := s.seen(); strings.Contains(seen, "queued") {
			t.Errorf("not all delivered:\n%s", seen)
		}
		s.stop()
	})
}

// A worker that looked before an announcement and says so after it must not undo it.
func TestAnnouncementOutlivesASlowLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t)
		s.start()
		l := &lane{relay: s.relay, key: laneKey{limits: policy.DefaultLimits()}, pacing: 1} // nobody works here
		d := &laneDomain{name: "x.test", lane: l, policy: s.relay.policy.Load()}
		l.offer(d)
		first, before := l.next()
		second, also := l.next()
		l.offer(d) // the queue has found more
		l.drained(first, before)
		l.drained(second, also)
		if len(l.ring) != 1 {
			t.Fatal("the domain has mail and left the ring")
		}
		l.drained(l.next())
		if len(l.ring) != 0 || d.ready {
			t.Fatal("the domain stays in the ring though nothing was announced")
		}
		s.stop()
	})
}

func TestEvictionGoesToAnotherWhenTheWorkerGotMail(t *testing.T) {
	s := newSlots(2)
	a := &worker{evicted: make(chan struct{}, 1)}
	b := &worker{evicted: make(chan struct{}, 1)}
	waiting := &lane{}
	for _, w := range []*worker{a, b} {
		if !s.take(waiting) || !s.rest(w) {
			t.Fatal("the slots are not there")
		}
	}
	s.take(waiting)
	s.take(waiting) // asking twice calls for one
	if len(a.evicted) != 1 || len(b.evicted) != 0 {
		t.Fatal("not the longest idle one was called, or both")
	}
	s.resume(a, true)
	if len(a.evicted) != 0 || len(b.evicted) != 1 {
		t.Fatal("a worker with mail did not pass it on")
	}
	s.resume(b, false)
	s.give()
	if s.following() != waiting || s.rest(a) != true {
		t.Fatal("the line is not served")
	}
}

// Limits of its own give a domain a lane of its own; a new policy moves it.
func TestLimitsOfADomainAndOfItsSite(t *testing.T) {
	inStory(t, "EHLO -> 250 PIPELINING", func(t *testing.T, s *story) {
		verify := policy.TLSVerify
		shaping, err := policy.NewShaping(s.limits, policy.Override{Match: "x.test", Set: policy.PartialLimits{TLS: &verify}})
		if err != nil {
			t.Fatal(err)
		}
		demanding := s.policy
		demanding.Shaping = shaping
		s.relay.SetPolicy(demanding)
		for range 2 { // in this order the lane of y.test would do for x.test too
			s.submit([]string{"from=", "to=ann@y.test"}, nil)
			s.submit([]string{"from=", "to=bob@x.test"}, nil)
		}
		if seen := s.seen(); strings.Count(seen, "delivered") != 2 || strings.Count(seen, "TLS is required") != 2 {
			t.Errorf("TLS is demanded of x.test alone:\n%s", seen)
		}
		s.relay.SetPolicy(s.shaped())
		s.must(s.relay.Retry(context.Background(), queue.Filter{}))
		if seen := s.seen(); strings.Count(seen, "delivered") != 2 {
			t.Errorf("nothing is demanded any more:\n%s", seen)
		}
		if n := s.relay.Metrics().OpenConnections; n != 1 {
			t.Errorf("%d connections: a deserted lane keeps its own", n)
		}
	})
}

func (s *story) must(_ queue.Changed, err error) {
	if err != nil {
		s.t.Error(err)
	}
}

func TestRateOutlivesTheLane(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		s.limits.MessagesPerSecond, s.limits.Burst = 1.0/60, 2
		s.relay.SetPolicy(s.shaped())
		for range 5 {
			s.submit([]string{"from=", "to=bob@x.test"}, nil)
			time.Sleep(7 * time.Second) // longer than a connection idles
		}
		for i, want := range []int{2, 3, 4, 5} {
			if got := strings.Count(s.received("mx.x.test", false), "bob@"); got != want {
				t.Errorf("minute %d: %d messages, want %d", i, got, want)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestDomainsWaitForDNSApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t)
		s.start()
		s.step("zone", []string{"x.test MX 10 mx.x.test", "mx.x.test A 192.0.2.1"})
		s.step("remote mx.x.test", nil)
		s.submit([]string{"from=", "to=bob@x.test"}, nil)
		s.seen()
		s.relay.cfg.MaxResolving = 3
		s.relay.router = hangingRouter{s}
		for i := range 10 {
			s.submit([]string{"from=", fmt.Sprintf("to=bob@dead%d.test", i)}, nil)
		}
		s.submit([]string{"from=", "to=bob@x.test"}, nil)
		if seen := s.seen(); strings.Count(seen, "delivered") != 1 {
			t.Errorf("a domain with a lane waits for others' name servers:\n%s", seen)
		}
		time.Sleep(time.Minute)
		if seen := s.seen(); strings.Count(seen, "deferred") != 10 {
			t.Errorf("not every domain got its answer:\n%s", seen)
		}
		s.stop()
	})
}

// hangingRouter is a story's, whose name servers do not answer for ten seconds.
type hangingRouter struct{ *story }

func (h hangingRouter) Route(ctx context.Context, domain string) (r resolver.Route, err error) {
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
	}
	return r, errors.New("nobody answers")
}

// REQUIRETLS wants a host that offers it, over TLS with its own certificate; never less, but for the report that comes of it.
func TestRequireTLS(t *testing.T) {
	tests := []struct {
		name, extensions, certificate, want string
	}{
		{"good", "250-PIPELINING|250-STARTTLS|250 REQUIRETLS", "mx.x.test", "delivered"},
		{"a certificate of another", "250-PIPELINING|250-STARTTLS|250 REQUIRETLS", "evil.test", "5.7.10"},
		{"not offered", "250-PIPELINING|250 STARTTLS", "mx.x.test", "5.7.30"},
		{"no TLS", "250 PIPELINING", "mx.x.test", "5.7.10"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inStory(t, "EHLO -> "+test.extensions, func(t *testing.T, s *story) {
				server, client := smtptest.TLSConfigs(t, test.certificate)
				s.remotes["mx.x.test"].TLS = server
				s.relay.cfg.TLS = &tls.Config{RootCAs: client.RootCAs}
				s.submit([]string{"from=ann@x.test", "to=bob@x.test", "requiretls"}, nil)
				if seen := s.seen(); !strings.Contains(seen, test.want) || strings.Count(seen, "delivered") != 1 {
					t.Errorf("want %s:\n%s", test.want, seen)
				}
				offered := strings.Contains(test.extensions, "REQUIRETLS")
				if m := s.remotes["mx.x.test"].Messages(); len(m) != 1 || strings.Contains(m[0].Params, "REQUIRETLS") != offered {
					t.Errorf("offered %v: %+v", offered, m)
				}
			})
		})
	}
}

// A host that takes the connection and hangs up at MAIL serves nobody: the backlog waits, and is not brought to it
// one connection each.
func TestSiteThatHangsUpIsLeftAlone(t *testing.T) {
	for _, script := range []string{
		"EHLO -> 250 PIPELINING\nMAIL -> drop",
		"EHLO -> 250-PIPELINING|250 CHUNKING\nMAIL -> 421 4.7.0 not you then close",
		"greeting -> 421 4.3.2 busy then close",
	} {
		inStory(t, script, func(t *testing.T, s *story) {
			hold := queue.Filter{Domain: "x.test"}
			s.step("remote mx.x.test", []string{"down"})
			for range 50 {
				s.submit([]string{"from=", "to=bob@x.test"}, nil)
			}
			s.seen()
			s.must(s.relay.Hold(context.Background(), hold))
			time.Sleep(time.Hour)
			s.step("remote mx.x.test", strings.Split(script, "\n"))
			before := s.relay.Metrics().Connections
			s.must(s.relay.Resume(context.Background(), hold))
			seen := s.seen()
			if n := s.relay.Metrics().Connections - before; n > 3 {
				t.Errorf("%d connections to a host that serves nobody", n)
			}
			if n := strings.Count(seen, "deferred"); n != 50 {
				t.Errorf("%d of 50 deferred:\n%s", n, seen)
			}
		})
	}
}

// Run ends when it is told to, though a host stalls and mail is waiting.
func TestAbortEndsRun(t *testing.T) {
	inStory(t, "MAIL -> stall", func(t *testing.T, s *story) {
		for range 10 {
			s.submit([]string{"from=", "to=bob@x.test"}, nil)
		}
		s.seen()
		began := time.Now()
		s.relay.Abort()
		if err := <-s.ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if n := s.relay.Metrics().OpenConnections; n != 0 {
			t.Errorf("%d connections are open", n)
		}
		s.ended <- nil // for stop
		counts, err := s.queue.Count(context.Background(), queue.Filter{})
		if err != nil || counts.Recipients[0]+counts.Recipients[1]+counts.Recipients[2] != 10 {
			t.Errorf("%v, %v: the mail is still ours, and due", counts.Recipients, err)
		}
	})
}
