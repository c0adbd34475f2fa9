package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// defaultConfigFile is where serve, check and the client commands look.
const defaultConfigFile = "/etc/posthaste/posthaste.toml"

// DefaultConfig returns the configuration of an empty file. Lists are nil and texts that follow
// from others are empty; complete fills them once the file has been read.
func DefaultConfig() *Config {
	return &Config{
		DataDir: "/var/lib/posthaste",
		ACME:    defaultACME(),
		Limits: Limits{
			MessageSize:           50 << 20,
			Recipients:            1000,
			LineLength:            998,
			Commands:              100_000,
			Errors:                20,
			Connections:           2000,
			ConnectionsPerAddress: 200,
			IdleTime:              Duration{5 * time.Minute},
			TransactionTime:       Duration{30 * time.Minute},
			MessageMemory:         256 << 20,
			BareLF:                "refuse",
			MaxReceived:           100,
		},
		Tarpit:      defaultTarpit(),
		Suppression: defaultSuppression(),
		Mailbox:     defaultMailbox(),
		Inbound:     defaultInbound(),
		Greylist:    defaultGreylist(),
		Queue: Queue{
			Memory:      160 << 20,
			MinFreeDisk: 256 << 20,
			Weights:     Weights{Transactional: 16, Normal: 4, Bulk: 1},
		},
		DNS: DNS{
			Timeout:      Duration{3 * time.Second},
			Attempts:     3,
			CacheEntries: 100_000,
			MinTTL:       Duration{30 * time.Second},
			MaxTTL:       Duration{24 * time.Hour},
			NegativeTTL:  Duration{5 * time.Minute},
			IP:           "prefer-ipv6",
		},
		Delivery: defaultDelivery(),
		Retry: Retry{
			Jitter:        0.1,
			Expire:        Duration{5 * 24 * time.Hour},
			DelayWarning:  Duration{4 * time.Hour},
			GreylistRetry: Duration{90 * time.Second},
		},
		Classify:   defaultClassify(),
		Bounce:     Bounce{ReturnSize: 64 << 10, StormLimit: 100},
		Events:     defaultEvents(),
		Autoconfig: Autoconfig{MTASTS: "none"},
		HTTP:       HTTP{Address: "127.0.0.1:8025"},
		Control:    Control{Socket: "/run/posthaste/ctl.sock"},
		Log:        Log{Level: "info", Format: "console"},
		Shutdown:   Shutdown{Drain: Duration{30 * time.Second}},
	}
}

func defaultEvents() Events {
	return Events{
		Format:     "json",
		RotateSize: 256 << 20,
		RotateAge:  Duration{24 * time.Hour},
		Keep:       150,
		Compress:   true,
		Detail:     true,
	}
}

func defaultDelivery() Delivery {
	return Delivery{
		Port:                     25,
		MaxConnections:           2000,
		Memory:                   256 << 20,
		Connections:              20,
		MessagesPerConnection:    1000,
		RecipientsPerTransaction: 100,
		Burst:                    1,
		IdleTimeout:              Duration{5 * time.Second},
		TLS:                      "opportunistic",
		EightBit:                 "convert",
		Pipelining:               true,
		Chunking:                 true,
		Timeouts: Timeouts{
			Connect:   Duration{30 * time.Second},
			Greeting:  Duration{5 * time.Minute},
			EHLO:      Duration{5 * time.Minute},
			StartTLS:  Duration{time.Minute},
			Mail:      Duration{5 * time.Minute},
			Rcpt:      Duration{5 * time.Minute},
			DataInit:  Duration{2 * time.Minute},
			DataBlock: Duration{3 * time.Minute},
			DataEnd:   Duration{10 * time.Minute},
			Quit:      Duration{10 * time.Second},
		},
	}
}

// defaultIntervals is the schedule of [retry]: close together at first, when most faults pass,
// then ever wider.
func defaultIntervals() []Duration {
	minutes := []time.Duration{5, 10, 20, 40, 80, 160, 240}
	out := make([]Duration, len(minutes))
	for i, m := range minutes {
		out[i] = Duration{m * time.Minute}
	}
	return out
}

// complete fills what the file left out and what follows from other keys. A list that the file
// gives as [] stays empty: only one that is not there is filled.
func (c *Config) complete() {
	if c.Hostname == "" {
		c.Hostname, _ = os.Hostname() // checkNames reports one that is missing or not a name
	}
	if c.Listeners == nil {
		c.Listeners = []Listener{
			{Name: "mx", Address: ":25", Kind: "mx"},
			{Name: "submission", Address: ":587", Kind: "submission"},
		}
	}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		if l.Kind == "" {
			l.Kind = "mx"
		}
		if l.Class == "" {
			l.Class = "normal"
		}
		if l.TLS == "" {
			l.TLS = "none"
		}
		if l.Inbound == "" {
			l.Inbound = map[string]string{"mx": "check"}[l.Kind]
		}
		if l.Inbound == "" {
			l.Inbound = "none"
		}
		if l.DKIM == "" {
			l.DKIM = "sign"
		}
		switch {
		case l.Auth != "":
		case l.Kind == "submission":
			l.Auth = "strangers"
		case l.readsMail():
			l.Auth = "required"
		default:
			l.Auth = "off"
		}
		if l.Name == "" {
			l.Name = l.Kind
		}
	}
	for i := range c.Logins {
		c.Logins[i].complete(c.SmartHost)
	}
	for i := range c.Credentials {
		if c.Credentials[i].Class == "" {
			c.Credentials[i].Class = "normal"
		}
	}
	if c.Relay.Networks == nil {
		c.Relay.Networks = []Prefix{
			{netip.MustParsePrefix("127.0.0.0/8")},
			{netip.MustParsePrefix("::1/128")},
		}
	}
	if c.Tarpit.Exempt == nil {
		c.Tarpit.Exempt = c.Relay.Networks
	}
	if c.Retry.Intervals == nil {
		c.Retry.Intervals = defaultIntervals()
	}
	for i := range c.Sources {
		if c.Sources[i].EHLO == "" {
			c.Sources[i].EHLO = c.Hostname
		}
	}
	c.Mailbox.complete(c.DataDir)
	c.Inbound.complete(c.Hostname)
	for i := range c.Milters {
		c.Milters[i].complete()
	}
	c.DKIM.complete(c.DataDir)
	c.Autoconfig.complete(c.Hostname, c.Mailbox.Domains)
	c.ACME.complete(c.acmeNames())
	if c.Bounce.From == "" {
		c.Bounce.From = "MAILER-DAEMON@" + c.Hostname
	}
	if c.Events.Path == "" {
		c.Events.Path = filepath.Join(c.DataDir, "events.jsonl")
	}
}
