package main

import (
	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/relay"
	"github.com/posthaste-mta/posthaste/smtp"
)

// metricSources are where d's engines tell their counts.
func metricSources(d *daemon) admin.Sources {
	servers := make(map[string]func() smtp.ServerMetrics, len(d.doors))
	for _, door := range d.doors {
		servers[door.Name] = door.server.Metrics
	}
	return admin.Sources{
		Version:  version(),
		Events:   d.events,
		Relay:    func() admin.RelayMetrics { return relayMetrics(d.relay) },
		Queue:    d.queue.Metrics,
		Resolver: d.resolver.Metrics,
		Servers:  servers,
	}
}

func relayMetrics(r *relay.Relay) admin.RelayMetrics {
	m := r.Metrics()
	out := admin.RelayMetrics{
		OpenConnections: int64(m.OpenConnections), IdleConnections: int64(m.IdleConnections),
		Lanes: int64(m.Lanes), Suspended: int64(m.SuspendedLanes),
		Connections: m.Connections, ConnectFailures: m.ConnectFailures,
		TLSSessions: make(map[string]uint64), ReportsWithheld: m.ReportsWithheld,
	}
	for level, n := range m.TLSSessions {
		out.TLSSessions[relay.TLSLevel(level).String()] = n
	}
	return out
}
