package resolver

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// staleTTL is how long a stale answer is served before the servers are asked again (RFC 8767 4).
	staleTTL = 30 * time.Second
	// staleAfter is how long the servers may take before a stale answer is served in their place (RFC 8767 5):
	// when the DNS is down, mail for known domains must not wait for each question to time out.
	staleAfter = 1800 * time.Millisecond
)

// errClosed is the cause of failures after Close.
var errClosed = errors.New("resolver: closed")

// asker puts a question to the servers and returns what they say in the end; a failure is an answer too.
type asker interface {
	ask(ctx context.Context, q question) *answer
}

// cache keeps answers and sees to it that each question is asked once at a time.
type cache struct {
	asker   asker
	cfg     *Config
	metrics *counters

	// A flight outlives the caller who started it, so that its answer is there for the next one
	// even if that caller gave up; it ends with its own deadline or with the cache.
	ctx    context.Context
	cancel context.CancelFunc
	flying sync.WaitGroup
	slots  chan struct{} // one for each flight

	mu      sync.Mutex
	closed  bool
	entries *lru[question, entry]
	flights map[question]*flight // as many as slots at most
}

// entry is a cached answer. Between freshUntil and staleUntil it is used only when the servers fail.
type entry struct {
	answer                 *answer
	freshUntil, staleUntil time.Time
	stale                  bool // freshUntil is already borrowed time
}

type flight struct {
	done     chan struct{}
	result   result // set before done is closed
	fallback bool   // there is something stale to serve meanwhile
}

// result is an answer with how it was come by.
type result struct {
	*answer
	expires       time.Time
	cached, stale bool
}

func newCache(a asker, cfg *Config, m *counters) *cache {
	c := &cache{
		asker: a, cfg: cfg, metrics: m,
		slots:   make(chan struct{}, cfg.MaxQueries),
		entries: newLRU[question, entry](cfg.CacheEntries),
		flights: make(map[question]*flight),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// close ends the flights and waits for them.
func (c *cache) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.flying.Wait()
}

// lookup answers q from the cache or by asking. It fails only when ctx ends first or the cache is
// closed; that the servers fail is an answer.
func (c *cache) lookup(ctx context.Context, q question) (result, error) {
	if res, ok := c.peek(q); ok {
		return res, nil
	}
	f, err := c.join(ctx, q)
	if err != nil {
		return result{}, err
	}
	var impatience <-chan time.Time
	if f.fallback {
		timer := time.NewTimer(staleAfter)
		defer timer.Stop()
		impatience = timer.C
	}
	select {
	case <-f.done:
	case <-impatience:
		if res, ok := c.borrow(q, f); ok {
			return res, nil
		}
		<-f.done // it has just come
	case <-ctx.Done():
		return result{}, ctx.Err()
	}
	if c.ctx.Err() != nil && f.result.outcome == failed {
		return result{}, errClosed
	}
	return f.result, nil
}

// peek answers q from the cache alone.
func (c *cache) peek(q question) (result, bool) {
	now := c.cfg.Now()
	c.mu.Lock()
	e, ok := c.entries.get(q)
	c.mu.Unlock()
	if !ok || !now.Before(e.freshUntil) {
		return result{}, false
	}
	c.metrics.cacheHit(e.answer.outcome)
	return result{answer: e.answer, expires: e.freshUntil, cached: true, stale: e.stale}, true
}

// join returns the flight for q, starting it if there is none.
func (c *cache) join(ctx context.Context, q question) (*flight, error) {
	c.mu.Lock()
	f := c.flights[q]
	c.mu.Unlock()
	if f != nil {
		c.metrics.cacheShared.Add(1)
		return f, nil
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.ctx.Done():
		return nil, errClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f = c.flights[q]; f != nil || c.closed {
		<-c.slots
		if c.closed {
			return nil, errClosed
		}
		c.metrics.cacheShared.Add(1)
		return f, nil
	}
	_, stale := c.staleEntry(q)
	f = &flight{done: make(chan struct{}), fallback: stale}
	c.flights[q] = f
	c.metrics.cacheMisses.Add(1)
	c.flying.Add(1)
	go c.fly(q, f)
	return f, nil
}

func (c *cache) fly(q question, f *flight) {
	defer c.flying.Done()
	started := time.Now()
	a := c.asker.ask(c.ctx, q)
	c.metrics.lookupSeconds.observe(time.Since(started))

	c.mu.Lock()
	f.result = c.keep(q, a)
	delete(c.flights, q)
	c.mu.Unlock()
	<-c.slots
	close(f.done)
}

// keep stores a, or what is served in its place, and returns it.
//
// Only records are served stale. RFC 8767 would allow it for absence as well, but mail must not be
// bounced, nor go to a domain's web server, on the strength of an answer that is no longer good.
//
// REQUIRES: c.mu
func (c *cache) keep(q question, a *answer) result {
	now := c.cfg.Now()
	if a.outcome != failed {
		e := entry{answer: a, freshUntil: now.Add(c.lifetime(a))}
		e.staleUntil = e.freshUntil.Add(c.cfg.MaxStale)
		c.entries.put(q, e, e.answer.weight())
		return result{answer: a, expires: e.freshUntil}
	}
	if c.ctx.Err() != nil { // nobody failed but us
		return result{answer: a, expires: now}
	}
	c.metrics.lookupFailures.Add(1)
	if old, ok := c.staleEntry(q); ok {
		return c.extend(q, old)
	}
	e := entry{answer: a, freshUntil: now.Add(c.cfg.FailureTTL)}
	c.entries.put(q, e, e.answer.weight())
	return result{answer: a, expires: e.freshUntil}
}

// borrow serves what is stale while the flight f for q goes on. ok is false when f has ended.
func (c *cache) borrow(q question, f *flight) (res result, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, ok := c.staleEntry(q)
	if !ok || c.flights[q] != f {
		return result{}, false
	}
	return c.extend(q, old), true
}

// staleEntry returns the records kept for q, if they may still be served when the servers fail.
//
// REQUIRES: c.mu
func (c *cache) staleEntry(q question) (entry, bool) {
	e, ok := c.entries.get(q)
	return e, ok && e.answer.outcome == found && c.cfg.Now().Before(e.staleUntil)
}

// extend lets the stale entry of q be served for a while.
//
// REQUIRES: c.mu
func (c *cache) extend(q question, e entry) result {
	c.metrics.staleServed.Add(1)
	e.stale, e.freshUntil = true, c.cfg.Now().Add(staleTTL)
	c.entries.put(q, e, e.answer.weight())
	return result{answer: e.answer, expires: e.freshUntil, stale: true}
}

// lifetime is how long a may be kept, between the bounds of the configuration.
func (c *cache) lifetime(a *answer) time.Duration {
	longest := c.cfg.MaxTTL
	if a.outcome != found {
		longest = c.cfg.NegativeTTL
	}
	return min(max(a.ttl, c.cfg.MinTTL), longest)
}

func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries.len()
}
