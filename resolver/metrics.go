package resolver

import (
	"slices"
	"sync/atomic"
	"time"
)

// Metrics is a snapshot of what a Resolver has done since it was made. All counts only grow, but
// for the two gauges.
type Metrics struct {
	// RouteHits and RouteMisses count calls of Route by whether a finished route was in the cache.
	RouteHits, RouteMisses uint64
	// CacheHits, CacheNegativeHits and CacheFailureHits count lookups answered from the cache: by
	// records, by their known absence, by a failure just seen.
	CacheHits, CacheNegativeHits, CacheFailureHits uint64
	// CacheMisses counts lookups that had to ask, CacheShared those that waited for another's question.
	CacheMisses, CacheShared uint64
	// StaleServed counts failed lookups answered with records past their end (RFC 8767).
	StaleServed uint64
	// Queries counts questions sent to a server, each try and each TCP repeat on its own; TCPQueries
	// are those by TCP.
	Queries, TCPQueries uint64
	// Timeouts counts tries that went without an answer, ServerFailures those that ended in an error
	// message, in junk or without a way to the server.
	Timeouts, ServerFailures uint64
	// Ignored counts packets that came in but did not match the question asked.
	Ignored uint64
	// LookupFailures counts lookups for which no server had an answer.
	LookupFailures uint64
	// CachedAnswers and CachedRoutes are gauges.
	CachedAnswers, CachedRoutes int
	// LookupSeconds is how long lookups that asked took, retries and failover included.
	LookupSeconds Histogram
}

// Histogram is a snapshot of observed values by size.
type Histogram struct {
	// Bounds are the upper bounds of the buckets in ascending order, Counts the values in each
	// bucket on its own; Counts has one more, for everything above.
	Bounds []float64
	Counts []uint64
	// Sum is that of all values.
	Sum float64
}

// counters are the live numbers behind Metrics.
type counters struct {
	routeHits, routeMisses                         atomic.Uint64
	cacheHits, cacheNegativeHits, cacheFailureHits atomic.Uint64
	cacheMisses, cacheShared, staleServed          atomic.Uint64
	queries, tcpQueries, timeouts, serverFailures  atomic.Uint64
	ignored, lookupFailures                        atomic.Uint64
	lookupSeconds                                  durations
}

func (c *counters) cacheHit(o outcome) {
	switch o {
	case found:
		c.cacheHits.Add(1)
	case failed:
		c.cacheFailureHits.Add(1)
	default:
		c.cacheNegativeHits.Add(1)
	}
}

func (c *counters) snapshot() Metrics {
	return Metrics{
		RouteHits: c.routeHits.Load(), RouteMisses: c.routeMisses.Load(),
		CacheHits: c.cacheHits.Load(), CacheNegativeHits: c.cacheNegativeHits.Load(),
		CacheFailureHits: c.cacheFailureHits.Load(),
		CacheMisses:      c.cacheMisses.Load(), CacheShared: c.cacheShared.Load(),
		StaleServed: c.staleServed.Load(),
		Queries:     c.queries.Load(), TCPQueries: c.tcpQueries.Load(),
		Timeouts: c.timeouts.Load(), ServerFailures: c.serverFailures.Load(),
		Ignored: c.ignored.Load(), LookupFailures: c.lookupFailures.Load(),
		LookupSeconds: c.lookupSeconds.snapshot(),
	}
}

// durationBounds are from a server on this machine to one that is given up on.
var durationBounds = [...]float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// durations counts durations by size.
type durations struct {
	counts [len(durationBounds) + 1]atomic.Uint64
	nanos  atomic.Uint64
}

func (d *durations) observe(v time.Duration) {
	i, _ := slices.BinarySearch(durationBounds[:], v.Seconds())
	d.counts[i].Add(1)
	d.nanos.Add(uint64(max(v, 0)))
}

func (d *durations) snapshot() Histogram {
	h := Histogram{Bounds: slices.Clone(durationBounds[:]), Sum: time.Duration(d.nanos.Load()).Seconds()}
	for i := range d.counts {
		h.Counts = append(h.Counts, d.counts[i].Load())
	}
	return h
}
