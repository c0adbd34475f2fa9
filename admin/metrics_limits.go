package admin

import "github.com/posthaste-mta/posthaste/policy/limit"

// limitFamilies are of the limits on clients and the tarpit.
func limitFamilies() []family {
	return []family{
		counter("limit_taken_total", "Connections, messages and recipients that some limit counted.", []string{"unit"},
			func(s *snapshot, out *output) {
				for unit, n := range s.limits.Taken {
					out.value(float64(n), limit.Unit(unit).String())
				}
			}),
		counter("limit_refusals_total", "Connections, messages and recipients refused because a limit was reached, by whose.", []string{"subject"},
			func(s *snapshot, out *output) {
				for subject, n := range s.limits.Refused {
					out.value(float64(n), limit.Subject(subject).String())
				}
			}),
		gauge("limit_counts", "Counts that are remembered.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.limits.Counts)) }),
		counter("limit_evictions_total", "Counts forgotten for want of room; owing ones before their time.", []string{"kind"},
			func(s *snapshot, out *output) {
				out.value(float64(s.limits.EvictedFree), "free")
				out.value(float64(s.limits.EvictedOwing), "owing")
			}),
		counter("limit_quota_save_errors_total", "Times quotas could not be written.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.limits.SaveErrors)) }),
	}
}

// tarpitFamilies are of the clients that guess at addresses.
func tarpitFamilies() []family {
	return []family{
		counter("tarpit_total", "Answers about unknown recipients that were delayed, and connections refused or closed.", []string{"result"},
			func(s *snapshot, out *output) {
				out.value(float64(s.harvest.Delayed), "delayed")
				out.value(float64(s.harvest.Refused), "refused")
			}),
		gauge("tarpit_clients", "Clients whose unknown recipients are counted.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.harvest.Clients)) }),
	}
}

// suppressionFamilies are of the lists of who gets no mail.
func suppressionFamilies() []family {
	return []family{
		gauge("suppression_entries", "Entries of all suppression lists.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.suppression.Entries)) }),
		counter("suppression_lookups_total", "Recipients looked up, by what was found.", []string{"result"},
			func(s *snapshot, out *output) {
				out.value(float64(s.suppression.Hits), "suppressed")
				out.value(float64(s.suppression.Lookups-s.suppression.Hits), "clear")
			}),
		counter("suppression_store_reads_total", "Times the filter in memory could not tell.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.suppression.StoreAsked)) }),
		counter("suppression_bounces_total", "Hard bounces counted, addresses that entered a list by them, and those not counted because too many came.", []string{"result"},
			func(s *snapshot, out *output) {
				out.value(float64(s.suppression.Noted), "noted")
				out.value(float64(s.suppression.Entered), "entered")
				if s.relay != nil {
					out.count(s.relay.BouncesUncounted, "dropped")
				}
			}),
		counter("suppression_expired_total", "Entries removed because they had ended.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.suppression.Expired)) }),
	}
}
