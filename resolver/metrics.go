package resolver

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
	// Queries counts questions sent to a server, each try and each TCP repeat on its own; TCPQueries are those by TCP.
	Queries, TCPQueries uint64
	// Timeouts counts tries that went without an answer, ServerFailures those answered with an error or with junk.
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
	// bucket on its own; Counts has one more for everything above.
	Bounds []float64
	Counts []uint64
	// Sum is that of all values.
	Sum float64
}
