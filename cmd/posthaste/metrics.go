package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/relay"
	"github.com/posthaste-mta/posthaste/smtp"
)

// newMetrics registers everything that d's engines count.
func newMetrics(d *daemon) (prometheus.Gatherer, error) {
	registry := prometheus.NewRegistry()
	servers := make(map[string]func() smtp.ServerMetrics, len(d.doors))
	for _, door := range d.doors {
		servers[door.Name] = door.server.Metrics
	}
	return registry, admin.Register(registry, admin.Sources{
		Version:  version(),
		Events:   d.events,
		Relay:    func() admin.RelayMetrics { return relayMetrics(d.relay) },
		Queue:    func() admin.QueueMetrics { return queueMetrics(d.queue) },
		Resolver: d.resolver.Metrics,
		Servers:  servers,
	})
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

func queueMetrics(q *queue.Queue) admin.QueueMetrics {
	m := q.Metrics()
	out := admin.QueueMetrics{
		Recipients: make(map[string]int64), Messages: m.Messages, Bytes: m.Bytes, Damaged: m.Damaged,
		OldestSeconds: map[string]float64{"any": m.OldestAge.Seconds()},
		SyncBounds:    queue.SyncBuckets[:], SyncSum: m.SyncSeconds,
		Batches: uint64(m.Batches), BatchRequests: uint64(m.BatchRequests),
		DiskBytes: m.DiskBytes, FreeBytes: m.DiskFree,
	}
	for state, n := range m.Recipients {
		out.Recipients[queue.State(state).String()] = n
	}
	for _, n := range m.Syncs {
		out.SyncCounts = append(out.SyncCounts, uint64(n))
	}
	return out
}
