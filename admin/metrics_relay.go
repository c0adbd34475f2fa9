package admin

import (
	"github.com/posthaste-mta/posthaste/relay"
	"github.com/posthaste-mta/posthaste/smtp"
)

func relayFamilies() []family {
	return []family{
		gauge("lanes", "Pairs of source and site that have mail or connections.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.relay.Lanes)) }),
		gauge("lanes_suspended", "Lanes that wait because their site does not answer.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.relay.SuspendedLanes)) }),
		counter("delivery_connections_total", "Connections opened to next hops, by how it went.", []string{"result"},
			func(s *snapshot, out *output) {
				out.count(s.relay.Connections, "ok")
				out.count(s.relay.ConnectFailures, "failed")
			}),
		counter("tls_sessions_total", "Connections to next hops by how they are protected.", []string{"level"},
			func(s *snapshot, out *output) {
				for level, n := range s.relay.TLSSessions {
					out.count(n, relay.TLSLevel(level).String())
				}
			}),
		gauge("delivery_content_bytes", "Content in delivery, as delivery.memory bounds it.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.relay.ContentBytes)) }),
		gauge("delivery_content_waiting", "Messages that wait until there is memory for their content.", nil,
			func(s *snapshot, out *output) { out.value(float64(s.relay.ContentWaiting)) }),
		counter("lane_suspensions_total", "Times a lane began to wait because its site did not answer.", nil,
			func(s *snapshot, out *output) { out.count(s.relay.Suspensions) }),
		counter("dkim_messages_total", "Mail of our own by whether it was signed; none of it counts where there are no keys.", []string{"result"},
			func(s *snapshot, out *output) {
				out.count(s.relay.Signed, "signed")
				out.count(s.relay.Unsigned, "unsigned")
			}),
		counter("lease_errors_total", "Times the queue could not lend mail.", nil,
			func(s *snapshot, out *output) { out.count(s.relay.LeaseErrors) }),
		counter("events_lost_total", "Accepted and rejected events that the log could not take; never an end.", nil,
			func(s *snapshot, out *output) { out.count(s.relay.EventsLost) }),
		counter("dsn_withheld_total", "Reports not sent, against storms.", nil,
			func(s *snapshot, out *output) { out.count(s.relay.ReportsWithheld) }),
	}
}

// connectionsFamily counts connections of both directions.
func connectionsFamily() family {
	return gauge("smtp_connections", "Open SMTP connections.", []string{"direction", "state"},
		func(s *snapshot, out *output) {
			var in int64
			for _, server := range s.servers {
				in += server.OpenConnections
			}
			out.value(float64(in), "in", "open")
			if s.relay != nil {
				out.value(float64(s.relay.OpenConnections-s.relay.IdleConnections), "out", "busy")
				out.value(float64(s.relay.IdleConnections), "out", "idle")
			}
		})
}

// serverFamilies are of the SMTP listeners.
func serverFamilies() []family {
	of := func(name, help string, read func(m *smtp.ServerMetrics) uint64) family {
		return counter("smtp_server_"+name, help, []string{"listener"}, func(s *snapshot, out *output) {
			for listener, m := range s.servers {
				out.count(read(&m), listener)
			}
		})
	}
	return []family{
		of("connections_total", "Connections of clients, refused ones included.", func(m *smtp.ServerMetrics) uint64 { return m.Connections }),
		of("connections_refused_total", "Connections over a limit.", func(m *smtp.ServerMetrics) uint64 { return m.RefusedConnections }),
		of("commands_total", "Commands of clients.", func(m *smtp.ServerMetrics) uint64 { return m.Commands }),
		of("errors_total", "Commands and messages refused.", func(m *smtp.ServerMetrics) uint64 { return m.Errors }),
		of("messages_total", "Messages taken.", func(m *smtp.ServerMetrics) uint64 { return m.Messages }),
		of("bytes_total", "Content of those messages.", func(m *smtp.ServerMetrics) uint64 { return m.MessageBytes }),
		of("bare_newlines_total", "Messages refused or mended because of a bare CR, LF or NUL.", func(m *smtp.ServerMetrics) uint64 { return m.BareNewlines }),
		of("timeouts_total", "Sessions ended because the client was silent.", func(m *smtp.ServerMetrics) uint64 { return m.Timeouts }),
		of("memory_refusals_total", "Messages turned away for want of memory.", func(m *smtp.ServerMetrics) uint64 { return m.MemoryRefusals }),
		of("tls_handshakes_total", "TLS handshakes with clients.", func(m *smtp.ServerMetrics) uint64 { return m.TLSHandshakes }),
		of("tls_failures_total", "TLS handshakes that failed.", func(m *smtp.ServerMetrics) uint64 { return m.TLSFailures }),
		of("panics_total", "Sessions that a defect of ours ended.", func(m *smtp.ServerMetrics) uint64 { return m.Panics }),
	}
}
