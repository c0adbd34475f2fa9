package admin

import (
	"github.com/posthaste-mta/posthaste/policy/greylist"
	"github.com/posthaste-mta/posthaste/policy/milter"
)

// inboundFamilies are what checks of strangers' mail have found. Method and result are words of RFC 8601.
func inboundFamilies() []family {
	return []family{
		counter("inbound_results_total", "What checks found in mail from strangers; of DNSBLs a hit is \"fail\".", []string{"method", "result"},
			func(s *snapshot, out *output) {
				for method, results := range s.relay.Inbound.Results {
					for result, n := range results {
						out.count(n, method, result)
					}
				}
			}),
		counter("inbound_actions_total", "Strangers' messages, and commands refused before, by what followed from the checks.", []string{"action"},
			func(s *snapshot, out *output) {
				for action, n := range s.relay.Inbound.Actions {
					out.count(n, action)
				}
			}),
	}
}

// greylistFamilies are about clients that have to come again.
func greylistFamilies() []family {
	return []family{
		counter("greylist_decisions_total", "Recipients named by strangers; those new or too-early were told to come again.", []string{"reason"},
			func(s *snapshot, out *output) {
				for reason, n := range s.greylist.Decisions {
					out.count(uint64(n), greylist.Reason(reason).String())
				}
			}),
		gauge("greylist_entries", "What is remembered, on disk.", []string{"kind"},
			func(s *snapshot, out *output) {
				out.value(float64(s.greylist.Triplets), "triplet")
				out.value(float64(s.greylist.Clients), "client")
				out.value(float64(s.greylist.Allowed), "allowance")
			}),
		counter("greylist_removed_total", "What was forgotten, because its time was over or because there was too much.", []string{"reason"},
			func(s *snapshot, out *output) {
				out.count(uint64(s.greylist.Expired), "expired")
				out.count(uint64(s.greylist.Evicted), "evicted")
			}),
	}
}

// milterFamilies are by filter, whose number the configuration bounds.
func milterFamilies() []family {
	of := func(name, help string, read func(m *milter.Metrics) uint64) family {
		return counter("milter_"+name, help, []string{"milter"}, func(s *snapshot, out *output) {
			for name, m := range s.milters {
				out.count(read(&m), name)
			}
		})
	}
	return []family{
		counter("milter_verdicts_total", "Messages by what the filter, or on_failure in its place, wanted.", []string{"milter", "verdict"},
			func(s *snapshot, out *output) {
				for name, m := range s.milters {
					out.count(m.Accepted, name, "accept")
					out.count(m.Held, name, "hold")
					out.count(m.Discarded, name, "discard")
					out.count(m.Rejected, name, "reject")
					out.count(m.Tempfailed, name, "tempfail")
				}
			}),
		of("failures_total", "Messages about which the filter did not decide.", func(m *milter.Metrics) uint64 { return m.Failures }),
		of("connections_total", "Connections tried.", func(m *milter.Metrics) uint64 { return m.Connects }),
		counter("milter_seconds_total", "Time that messages waited for the filter.", []string{"milter"},
			func(s *snapshot, out *output) {
				for name, m := range s.milters {
					out.value(m.TotalSeconds, name)
				}
			}),
		gauge("milter_connections", "Open connections.", []string{"milter", "state"},
			func(s *snapshot, out *output) {
				for name, m := range s.milters {
					out.value(float64(m.Busy), name, "busy")
					out.value(float64(m.Idle), name, "idle")
				}
			}),
	}
}
