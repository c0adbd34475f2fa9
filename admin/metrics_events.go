package admin

import "github.com/posthaste-mta/posthaste/relay"

// codeClasses are the label values for the first digit of a reply.
var codeClasses = [6]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

// eventFamilies are what events add up to.
func eventFamilies() []family {
	return []family{
		counter("messages_accepted_total", "Messages on stable storage and acknowledged, by the listener they came in by.",
			[]string{"listener"}, func(s *snapshot, out *output) {
				for listener, n := range s.stats.AcceptedBy {
					out.count(n, listener)
				}
			}),
		counter("recipients_accepted_total", "Recipients of accepted messages.", nil,
			func(s *snapshot, out *output) { out.count(s.stats.AcceptedRecipients) }),
		counter("accepted_bytes_total", "Content of accepted messages.", nil,
			func(s *snapshot, out *output) { out.count(s.stats.AcceptedBytes) }),
		counter("rejected_total", "Senders, recipients and messages refused in the session.", nil,
			func(s *snapshot, out *output) { out.count(s.stats.Types[relay.EventRejected]) }),
		counter("recipients_total", "Recipients that have come to their end, by which.", []string{"result"},
			func(s *snapshot, out *output) {
				for t, n := range s.stats.Types {
					if relay.EventType(t).Ends() {
						out.count(n, relay.EventType(t).String())
					}
				}
			}),
		counter("delivery_attempts_total", "Attempts to deliver to a recipient, by what came of it and by the class of the remote's reply.",
			[]string{"result", "code_class"}, readAttempts),
		counter("dsn_total", "Reports (bounces, delay warnings, success notices) queued.", nil,
			func(s *snapshot, out *output) { out.count(s.stats.Types[relay.EventReport]) }),
		histogram("accept_seconds", "Time from a message's first byte to its acknowledgement.", nil,
			func(s *snapshot, out *output) { out.delays(&s.stats.AcceptSeconds) }),
		histogram("delivery_latency_seconds", "Time from acceptance to the next hop's 250.", nil,
			func(s *snapshot, out *output) { out.delays(&s.stats.DeliverySeconds) }),
		histogram("attempt_duration_seconds", "Time that attempts spent in each phase; only of those whose steps are logged.", []string{"phase"},
			func(s *snapshot, out *output) {
				for p := range s.stats.PhaseSeconds {
					out.delays(&s.stats.PhaseSeconds[p], relay.Phase(p).String())
				}
			}),
		counter("event_log_bytes_total", "Written to the event log.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.log.Bytes)) }),
		counter("event_log_flushes_total", "Writes of the event log, each of any number of events.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.log.Flushes)) }),
		counter("event_log_syncs_total", "Syncs of the event log, in the background.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.log.Syncs)) }),
		counter("event_log_errors_total", "Writes or syncs of the event log that failed; delivery pauses while they do.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.log.Errors)) }),
		counter("event_log_subscriber_lost_total", "Events that a slow console or subscriber did not get; the log has them.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.log.SubscriberLost)) }),
		gauge("event_log_buffered_bytes", "Events that wait for the next write.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.log.Buffered)) }),
	}
}

func readAttempts(s *snapshot, out *output) {
	for t := range s.stats.Replies {
		for class, n := range s.stats.Replies[t] {
			if n > 0 { // most pairs never happen
				out.count(n, relay.EventType(t).String(), codeClasses[class])
			}
		}
	}
}
