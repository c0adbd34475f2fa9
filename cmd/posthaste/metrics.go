package main

import (
	"github.com/posthaste-mta/posthaste/admin"
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
		Relay:    d.relay.Metrics,
		Queue:    d.queue.Metrics,
		Resolver: d.resolver.Metrics,
		Greylist: d.screens.greylist.Metrics,
		Milters:  d.screens.filterMetrics,
		Auth:     d.auth.Metrics,
		Servers:  servers,

		Limits:      d.engines.limits.Metrics,
		Harvest:     d.engines.harvestMetrics,
		Suppression: d.engines.suppression.Metrics,
	}
}
