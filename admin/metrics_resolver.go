package admin

func resolverFamilies() []family {
	return []family{
		counter("mx_cache_requests_total", "Routes asked for, by where the answer came from.", []string{"result"},
			func(s *snapshot, out *output) {
				out.count(s.resolver.RouteHits, "hit")
				out.count(s.resolver.RouteMisses, "miss")
			}),
		counter("dns_lookups_total", "DNS lookups by where the answer came from.", []string{"result"},
			func(s *snapshot, out *output) {
				m := s.resolver
				out.count(m.CacheHits, "cached")
				out.count(m.CacheNegativeHits, "cached_negative")
				out.count(m.CacheFailureHits, "cached_failure")
				out.count(m.CacheShared, "shared")
				out.count(m.CacheMisses, "asked")
				out.count(m.StaleServed, "stale")
				out.count(m.LookupFailures, "failed")
			}),
		counter("dns_queries_total", "Questions sent to DNS servers.", nil,
			func(s *snapshot, out *output) { out.count(s.resolver.Queries) }),
		counter("dns_query_errors_total", "Questions that failed, by how.", []string{"reason"},
			func(s *snapshot, out *output) {
				out.count(s.resolver.Timeouts, "timeout")
				out.count(s.resolver.ServerFailures, "server_failure")
			}),
		counter("dns_ignored_packets_total", "Packets that answer no question of ours.", nil,
			func(s *snapshot, out *output) { out.count(s.resolver.Ignored) }),
		gauge("dns_cache_entries", "Entries of the DNS cache.", []string{"kind"},
			func(s *snapshot, out *output) {
				out.value(float64(s.resolver.CachedAnswers), "answer")
				out.value(float64(s.resolver.CachedRoutes), "route")
			}),
		histogram("dns_lookup_seconds", "Time of lookups that had to ask.", nil,
			func(s *snapshot, out *output) {
				h := s.resolver.LookupSeconds
				out.histogram(h.Bounds, h.Counts, h.Sum)
			}),
	}
}
