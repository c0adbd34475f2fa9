package resolver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"pgregory.net/rapid"
)

// script is an asker that says what a test wants it to.
type script struct {
	asked  atomic.Int64
	answer func(ctx context.Context, q question) *answer
}

func (s *script) ask(ctx context.Context, q question) *answer {
	s.asked.Add(1)
	return s.answer(ctx, q)
}

func newTestCache(t *testing.T, cfg Config, s *script) *cache {
	cfg = cfg.withDefaults()
	c := newCache(s, &cfg, new(counters))
	t.Cleanup(c.close)
	return c
}

func anAddress(ttl time.Duration) *answer {
	return &answer{addrs: addrs("192.0.2.1"), ttl: ttl}
}

func TestOneFlightForEachQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: func(ctx context.Context, q question) *answer {
			time.Sleep(time.Second)
			return anAddress(time.Minute)
		}}
		c := newTestCache(t, Config{}, s)
		var askers sync.WaitGroup
		for range 100 {
			askers.Go(func() {
				if res, err := c.lookup(t.Context(), aQuestion); err != nil || res.outcome != found {
					t.Errorf("got %v", err)
				}
			})
		}
		askers.Wait()
		if got := s.asked.Load(); got != 1 {
			t.Errorf("asked %d times", got)
		}
		if _, err := c.lookup(t.Context(), question{aQuestion.name, dns.TypeMX}); err != nil || s.asked.Load() != 2 {
			t.Error("another type is another question")
		}
		c.close()
	})
}

// A caller who gives up does not take the answer away from others.
func TestFlightOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: func(ctx context.Context, q question) *answer {
			time.Sleep(2 * time.Second)
			return anAddress(time.Minute)
		}}
		c := newTestCache(t, Config{}, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.lookup(ctx, aQuestion); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if res, err := c.lookup(t.Context(), aQuestion); err != nil || res.outcome != found || s.asked.Load() != 1 {
			t.Errorf("got %v, asked %d times", err, s.asked.Load())
		}
		c.close()
	})
}

func TestFlightsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		s := &script{answer: func(ctx context.Context, q question) *answer {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			return anAddress(time.Minute)
		}}
		c := newTestCache(t, Config{MaxQueries: 4}, s)
		var askers sync.WaitGroup
		for i := range 20 {
			askers.Go(func() {
				if _, err := c.lookup(t.Context(), question{fmt.Sprintf("d%d.example", i), dns.TypeA}); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := c.lookup(ctx, question{"impatient.example", dns.TypeA}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		askers.Wait()
		if most.Load() != 4 {
			t.Errorf("%d lookups at once, want 4", most.Load())
		}
		c.close()
	})
}

func TestTTLIsBounded(t *testing.T) {
	cfg := Config{MinTTL: 10 * time.Second, MaxTTL: time.Hour, NegativeTTL: 5 * time.Minute, FailureTTL: 3 * time.Second}
	for _, c := range []struct {
		name string
		a    answer
		want time.Duration
	}{
		{"records", answer{ttl: time.Minute}, time.Minute},
		{"records, TTL 0", answer{ttl: 0}, 10 * time.Second},
		{"records, a year", answer{ttl: 365 * 24 * time.Hour}, time.Hour},
		{"absence", answer{outcome: noData, ttl: time.Minute}, time.Minute},
		{"absence, TTL 0", answer{outcome: noName}, 10 * time.Second},
		{"absence, an hour", answer{outcome: noName, ttl: time.Hour}, 5 * time.Minute},
		{"failure", answer{outcome: failed}, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answer: func(context.Context, question) *answer { return &c.a }}
				ch := newTestCache(t, cfg, s)
				lookupAfter := func(d time.Duration) int64 {
					time.Sleep(d)
					if _, err := ch.lookup(t.Context(), aQuestion); err != nil {
						t.Fatal(err)
					}
					return s.asked.Load()
				}
				lookupAfter(0)
				if lookupAfter(c.want-time.Nanosecond) != 1 {
					t.Error("forgotten too early")
				}
				if lookupAfter(time.Nanosecond) != 2 {
					t.Error("kept too long")
				}
				ch.close()
			})
		})
	}
}

// When the servers are silent and something stale is there, nobody waits for them.
func TestStaleIsServedBeforeTheServersTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := true
		s := &script{answer: func(ctx context.Context, q question) *answer {
			if up {
				return anAddress(time.Minute)
			}
			time.Sleep(20 * time.Second)
			return &answer{outcome: failed, err: silence(20 * time.Second)}
		}}
		c := newTestCache(t, Config{}, s)
		lookup := func() (result, time.Duration) {
			start := time.Now()
			res, err := c.lookup(t.Context(), aQuestion)
			if err != nil || res.outcome != found {
				t.Fatalf("got %v, %v", res.answer, err)
			}
			return res, time.Since(start)
		}
		lookup()
		up = false
		time.Sleep(time.Hour)
		if res, took := lookup(); !res.stale || took != staleAfter {
			t.Errorf("stale: %v, after %v", res.stale, took)
		}
		if res, took := lookup(); !res.stale || !res.cached || took != 0 {
			t.Errorf("the next: stale: %v, after %v", res.stale, took)
		}
		c.close()
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: func(ctx context.Context, q question) *answer {
			<-ctx.Done()
			return &answer{outcome: failed, err: ctx.Err()}
		}}
		c := newTestCache(t, Config{MaxQueries: 1}, s)
		var askers sync.WaitGroup
		for i := range 3 {
			askers.Go(func() {
				if _, err := c.lookup(t.Context(), question{fmt.Sprintf("d%d.example", i), dns.TypeA}); !errors.Is(err, errClosed) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		c.close()
		askers.Wait()
		if _, err := c.lookup(t.Context(), aQuestion); !errors.Is(err, errClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// The least recently used goes first, against a list kept by hand.
func TestLRU(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 8).Draw(t, "size")
		c := newLRU[int, int](size)
		type item struct{ key, value, weight int }
		var model []item // newest last
		take := func(key int) (it item, ok bool) {
			for i, it := range model {
				if it.key == key {
					model = append(model[:i:i], model[i+1:]...)
					return it, true
				}
			}
			return it, false
		}
		weight := func() (n int) {
			for _, it := range model {
				n += it.weight
			}
			return n
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				it := item{rapid.IntRange(0, 8).Draw(t, "key"), rapid.Int().Draw(t, "value"), rapid.IntRange(1, 4).Draw(t, "weight")}
				c.put(it.key, it.value, it.weight)
				take(it.key)
				if it.weight > size {
					return
				}
				for model = append(model, it); weight() > size; {
					model = model[1:]
				}
			},
			"get": func(t *rapid.T) {
				key := rapid.IntRange(0, 8).Draw(t, "key")
				got, ok := c.get(key)
				want, has := take(key)
				if has {
					model = append(model, want)
				}
				if ok != has || got != want.value {
					t.Fatalf("got %d, %v; want %d, %v", got, ok, want.value, has)
				}
			},
			"": func(t *rapid.T) {
				if c.len() != len(model) || c.weight != weight() {
					t.Fatalf("%d entries of weight %d, want %d of %d", c.len(), c.weight, len(model), weight())
				}
			},
		})
	})
}
