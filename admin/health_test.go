package admin

import (
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/mailbox/imap"
	"github.com/posthaste-mta/posthaste/mailbox/pop3"
	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/policy/greylist"
	"github.com/posthaste-mta/posthaste/policy/limit"
	"github.com/posthaste-mta/posthaste/policy/milter"
	"github.com/posthaste-mta/posthaste/policy/suppress"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/relay"
	"github.com/posthaste-mta/posthaste/resolver"
	"github.com/posthaste-mta/posthaste/smtp"
)

// startWeb returns a function that gets a page.
func startWeb(t *testing.T, web *Web) func(path string) (int, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, l, web.Serve)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return func(path string) (int, string) {
		answer, err := client.Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
}

func TestHealth(t *testing.T) {
	var notReady error
	get := startWeb(t, &Web{Hostname: "<mail>", Version: "1.0", Ready: func() error { return notReady }, Metrics: prometheus.NewRegistry()})
	for _, tc := range []struct {
		path   string
		reason error
		status int
		body   string
	}{
		{"/healthz", nil, 200, "ok\n"},
		{"/readyz", nil, 200, "ready\n"},
		{"/readyz", errors.New("the disk is full"), 503, "not ready: the disk is full\n"},
		{"/healthz", errors.New("the disk is full"), 200, "ok\n"},
		{"/nothing", nil, 404, "404 page not found\n"},
	} {
		notReady = tc.reason
		if status, body := get(tc.path); status != tc.status || body != tc.body {
			t.Errorf("%s: %d %q", tc.path, status, body)
		}
	}
	if status, body := get("/"); status != 200 || !strings.Contains(body, "posthaste on &lt;mail&gt;") {
		t.Errorf("index: %d %s", status, body)
	}
}

// All metrics with every source there, as Prometheus reads them.
func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	if err := Register(reg, fakeSources(t)); err != nil {
		t.Fatal(err)
	}
	get := startWeb(t, &Web{Ready: func() error { return nil }, Metrics: reg})
	status, body := get("/metrics")
	if status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	var ours strings.Builder
	for line := range strings.Lines(body) {
		if strings.Contains(line, "_bucket") && !strings.Contains(line, "store_sync") {
			continue // one histogram shows them all
		}
		if strings.Contains(line, "posthaste_") {
			ours.WriteString(goVersion.ReplaceAllString(line, `goversion="go"`))
		}
	}
	golden(t, "metrics", ours.String())
	if !strings.Contains(body, "go_goroutines") || !strings.Contains(body, "process_cpu_seconds_total") {
		t.Error("nothing about the process")
	}
}

var goVersion = regexp.MustCompile(`goversion="[^"]*"`)

func TestMetricsOfWhatThereIs(t *testing.T) {
	reg := prometheus.NewRegistry()
	if err := Register(reg, Sources{Version: "1.0"}); err != nil {
		t.Fatal(err)
	}
	if _, err := reg.Gather(); err != nil {
		t.Error(err)
	}
}

func fakeSources(t *testing.T) Sources {
	t.Helper()
	events, err := relay.OpenEventLog(relay.EventLogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { events.Close() })
	err = events.Append([]relay.Event{
		{Type: relay.EventAccepted, Listener: "mx", Size: 100, Recipients: 2, Delays: relay.Delays{BeforeQueue: 3 * time.Millisecond}},
		{Type: relay.EventRejected, Listener: "mx"},
		{Type: relay.EventDelivered, Created: start, Timestamp: start.Add(70 * time.Millisecond), Status: message.Status{Code: 250, Remote: true}},
		{Type: relay.EventDeferred, Status: message.Status{Code: 451}},
		{Type: relay.EventReport},
	})
	if err != nil {
		t.Fatal(err)
	}
	return Sources{
		Version: "1.0",
		Events:  events,
		Relay: func() relay.Metrics {
			return relay.Metrics{OpenConnections: 5, IdleConnections: 2, Lanes: 3, Connections: 7, ConnectFailures: 1,
				ContentBytes: 4096, ContentWaiting: 1,
				Inbound:     relay.InboundMetrics{Results: map[string]map[string]uint64{"spf": {"pass": 3}}, Actions: map[string]uint64{"tag": 1}},
				TLSSessions: [relay.NumTLSLevels]uint64{1, 6, 0}}
		},
		Queue: func() queue.Metrics {
			m := queue.Metrics{Messages: 3, Bytes: 9000, OldestAge: 90 * time.Second, SyncSeconds: 0.04, Batches: 8, BatchRequests: 20}
			m.Recipients = [queue.NumStates]int64{queue.Active: 4, queue.OnHold: 1, queue.InFlight: 2}
			m.Syncs[0], m.Syncs[3] = 5, 3
			return m
		},
		Certificates: func() map[string]time.Duration {
			return map[string]time.Duration{"/etc/posthaste/tls/fullchain.pem": 40 * 24 * time.Hour, "acme:mx.relay.test": -time.Minute}
		},
		Auth: func() auth.Metrics {
			return auth.Metrics{Succeeded: 9, Failed: 4, Banned: 2, Busy: 1, Cached: 7, BannedAddresses: 3, BannedNames: 1}
		},
		Resolver: func() resolver.Metrics {
			return resolver.Metrics{RouteHits: 9, RouteMisses: 1, LookupSeconds: resolver.Histogram{Bounds: []float64{0.1}, Counts: []uint64{1, 0}, Sum: 0.02}}
		},
		Greylist: func() greylist.Metrics {
			m := greylist.Metrics{Triplets: 5, Clients: 2, Allowed: 1, Expired: 3}
			m.Decisions[greylist.New], m.Decisions[greylist.CameBack] = 5, 2
			return m
		},
		Milters: func() map[string]milter.Metrics {
			return map[string]milter.Metrics{"rspamd": {Accepted: 8, Rejected: 1, Connects: 3, Idle: 1, TotalSeconds: 0.5}}
		},
		Limits: func() limit.Metrics {
			m := limit.Metrics{Counts: 12, EvictedOwing: 1}
			m.Taken[limit.Recipients], m.Refused[limit.Tenant] = 30, 2
			return m
		},
		Harvest: func() limit.HarvestMetrics { return limit.HarvestMetrics{Delayed: 4, Refused: 1, Clients: 3} },
		Suppression: func() suppress.Metrics {
			return suppress.Metrics{Entries: 100, Lookups: 50, Hits: 7, StoreAsked: 8, Noted: 3, Entered: 1, Expired: 2}
		},
		Mailbox: func() mailbox.Metrics {
			return mailbox.Metrics{Accounts: 2, OpenFolders: 3, IndexBytes: 4096, Delivered: 9, Refused: 1, Appended: 4, Expunged: 5, Batches: 8, SyncTime: 30 * time.Millisecond, Reclaimed: 2, DiskBytes: 1 << 20}
		},
		MailboxErr: func() error { return mailbox.ErrFailed },
		IMAP: map[string]func() imap.Metrics{
			"imap": func() imap.Metrics {
				return imap.Metrics{Connections: 4, Sessions: 3, Idling: 2, TurnedAway: 1, Logins: 7, RefusedLogins: 2, Commands: 99}
			},
		},
		POP3: map[string]func() pop3.Metrics{
			"pop3": func() pop3.Metrics {
				return pop3.Metrics{OpenConnections: 2, OpenSessions: 1, RefusedConnections: 3, Logins: 5, LoginFailures: 1, InUse: 1, Commands: 40, Retrieved: 6, RetrievedBytes: 6000, Deleted: 4}
			},
		},
		Servers: map[string]func() smtp.ServerMetrics{
			"mx":         func() smtp.ServerMetrics { return smtp.ServerMetrics{Connections: 10, OpenConnections: 2} },
			"submission": func() smtp.ServerMetrics { return smtp.ServerMetrics{Connections: 1, OpenConnections: 1} },
		},
	}
}
