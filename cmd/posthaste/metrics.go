package main

import (
	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/mailbox/imap"
	"github.com/posthaste-mta/posthaste/mailbox/pop3"
	"github.com/posthaste-mta/posthaste/smtp"
)

// metricSources are where d's engines tell their counts.
func metricSources(d *daemon) admin.Sources {
	servers := make(map[string]func() smtp.ServerMetrics, len(d.doors))
	for _, door := range d.doors {
		servers[door.Name] = door.server.Metrics
	}
	sources := admin.Sources{
		Version:  version(),
		Events:   d.events,
		Relay:    d.relay.Metrics,
		Queue:    d.queue.Metrics,
		Resolver: d.resolver.Metrics,
		Greylist: d.screens.greylist.Metrics,
		Milters:  d.screens.filterMetrics,
		Auth:     d.auth.Metrics,

		Certificates: d.certificates.left,
		Servers:      servers,

		Limits:      d.engines.limits.Metrics,
		Harvest:     d.engines.harvestMetrics,
		Suppression: d.engines.suppression.Metrics,
	}
	if d.mailboxes == nil {
		return sources
	}
	sources.Mailbox, sources.MailboxErr = d.mailboxes.store.Metrics, d.mailboxes.store.Err
	sources.IMAP, sources.POP3 = map[string]func() imap.Metrics{}, map[string]func() pop3.Metrics{}
	for _, door := range d.mailDoors {
		switch server := door.server.(type) {
		case *imap.Server:
			sources.IMAP[door.Name] = server.Metrics
		case *pop3.Server:
			sources.POP3[door.Name] = server.Metrics
		}
	}
	return sources
}
