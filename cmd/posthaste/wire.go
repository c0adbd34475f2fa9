package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/relay"
	"github.com/posthaste-mta/posthaste/resolver"
	"github.com/posthaste-mta/posthaste/smtp"
)

// This file translates the configuration into the options of each engine; daemon.go puts the engines
// together and runs them.

func newLogger(cfg *Config) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(cfg.Log.Level)
	if err != nil {
		return nil, err
	}
	z := zap.NewProductionConfig()
	if cfg.Log.Format == "console" {
		z = zap.NewDevelopmentConfig()
		z.Development = false
		z.DisableCaller, z.DisableStacktrace = true, true
		z.EncoderConfig.EncodeTime = zapcore.ISO8601TimeEncoder
	}
	z.Level = zap.NewAtomicLevelAt(level)
	return z.Build()
}

func queueOptions(cfg *Config, log *zap.Logger) queue.Options {
	o := queue.Options{
		Dir:         filepath.Join(cfg.DataDir, queueFolder),
		Memory:      int64(cfg.Queue.Memory),
		MinFreeDisk: int64(cfg.Queue.MinFreeDisk),
		MaxBytes:    int64(cfg.Queue.MaxSize),
		MaxMessages: int64(cfg.Queue.MaxMessages),
		Logger:      log.Named("queue"),
	}
	if o.MinFreeDisk == 0 {
		o.MinFreeDisk = -1 // in the file, 0 means that no reserve is wanted
	}
	o.Weights[message.ClassTransactional] = cfg.Queue.Weights.Transactional
	o.Weights[message.ClassNormal] = cfg.Queue.Weights.Normal
	o.Weights[message.ClassBulk] = cfg.Queue.Weights.Bulk
	return o
}

func resolverConfig(cfg *Config) resolver.Config {
	families := map[string]resolver.Families{
		"prefer-ipv6": resolver.IPv6First, "prefer-ipv4": resolver.IPv4First,
		"ipv4": resolver.IPv4Only, "ipv6": resolver.IPv6Only,
	}
	routes, smartHost := cfg.routing()
	r := resolver.Config{
		Servers: cfg.DNS.Servers, Timeout: cfg.DNS.Timeout.Duration, Attempts: cfg.DNS.Attempts,
		MinTTL: cfg.DNS.MinTTL.Duration, MaxTTL: cfg.DNS.MaxTTL.Duration, NegativeTTL: cfg.DNS.NegativeTTL.Duration,
		CacheEntries: cfg.DNS.CacheEntries, Routes: routes, SmartHost: smartHost,
		Port: uint16(cfg.Delivery.Port), Families: families[cfg.DNS.IP],
		LocalNames:   []string{cfg.Hostname},
		DenyPrefixes: prefixes(cfg.DNS.Deny), AllowPrefixes: prefixes(cfg.DNS.AllowPrivate),
	}
	if servesPort(cfg, cfg.Delivery.Port) {
		r.LocalAddrs = ownAddrs()
	}
	return r
}

// classOf returns the class of that name; the check of the configuration has seen that it is one.
func classOf(name string) message.Class {
	for c := range message.NumClasses {
		if c.String() == name {
			return c
		}
	}
	return message.ClassNormal
}

// servesPort tells whether a listener answers at the port that MX hosts are connected to, so that a domain whose MX
// is one of our addresses would come back to us (RFC 5321 5.1).
func servesPort(cfg *Config, port int) bool {
	for _, l := range cfg.Listeners {
		if l.readsMail() {
			continue
		}
		if _, p, err := net.SplitHostPort(l.Address); err == nil && p == strconv.Itoa(port) {
			return true
		}
	}
	return false
}

// ownAddrs returns the addresses of this machine's interfaces; none if the system does not tell, which only means
// that a loop is found later, by its Received fields.
func ownAddrs() []netip.Addr {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range list {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, prefix.Addr().Unmap())
		}
	}
	return out
}

// eventFormat returns the format of that name.
func eventFormat(name string) relay.EventFormat {
	switch name {
	case "postfix":
		return relay.FormatPostfix
	case "text":
		return relay.FormatText
	default:
		return relay.FormatJSON
	}
}

func eventLogOptions(cfg *Config, log *zap.Logger) relay.EventLogOptions {
	o := relay.EventLogOptions{
		Path: cfg.Events.Path, Format: eventFormat(cfg.Events.Format), Hostname: cfg.Hostname,
		MaxBytes: int64(cfg.Events.RotateSize), MaxAge: cfg.Events.RotateAge.Duration, MaxFiles: cfg.Events.Keep,
		Compress: cfg.Events.Compress,
		OnError:  func(err error) { log.Error("event log", zap.Error(err)) },
	}
	// In the file, 0 means never; in the options it would mean the default.
	if o.MaxBytes == 0 {
		o.MaxBytes = -1
	}
	if o.MaxAge == 0 {
		o.MaxAge = -1
	}
	return o
}

func relayPolicy(cfg *Config) (relay.Policy, error) {
	shaping, err := shapingOf(cfg)
	if err != nil {
		return relay.Policy{}, err
	}
	logins, wrong, err := cfg.logins()
	if err != nil {
		return relay.Policy{}, fmt.Errorf("login %d: %w", wrong+1, err)
	}
	recipients, err := readRecipients(cfg.Relay.Recipients)
	if err != nil {
		return relay.Policy{}, fmt.Errorf("relay.recipients: %w", err)
	}
	classes, err := cfg.Classify.table()
	if err != nil {
		return relay.Policy{}, fmt.Errorf("classify.file: %w", err)
	}
	return relay.Policy{
		Access: policy.Access{
			RelayNetworks: prefixes(cfg.Relay.Networks), RelayDomains: policy.NewDomainSet(cfg.Relay.Domains...),
			Recipients: recipients,
		},
		Retry:   schedulesOf(cfg),
		Classes: classes,
		Shaping: shaping,
		Logins:  logins,
		Pools:   poolsOf(cfg),
		Bounce: relay.BounceConfig{
			From: cfg.Bounce.From, ReturnFullLimit: int(cfg.Bounce.ReturnSize), PerHour: cfg.Bounce.StormLimit,
		},
		Postmaster:  cfg.Relay.Postmaster,
		MaxReceived: cfg.Limits.MaxReceived,
		Detail:      cfg.Events.Detail,
	}, nil
}

// shapingOf gives each [[site]] the limits that it sets. The keys it leaves out are those of [delivery].
func shapingOf(cfg *Config) (*policy.Shaping, error) {
	var overrides []policy.Override
	for _, site := range cfg.Sites {
		set := partialLimits(cfg, site)
		for _, match := range site.Match {
			overrides = append(overrides, policy.Override{Match: match, Set: set})
		}
	}
	return policy.NewShaping(limitsOf(cfg.Delivery), overrides...)
}

func limitsOf(d Delivery) policy.Limits {
	l := policy.Limits{
		Connections: d.Connections, MessagesPerConnection: d.MessagesPerConnection,
		RecipientsPerTransaction: d.RecipientsPerTransaction, MessagesPerSecond: d.MessagesPerSecond,
		Burst: d.Burst, IdleTimeout: d.IdleTimeout.Duration, ConnectTimeout: d.Timeouts.Connect.Duration,
		NoPipelining: !d.Pipelining, NoChunking: !d.Chunking,
		Phases: phasesOf(d.Timeouts),
	}
	// The check of the configuration has seen that it is one of the names.
	if err := l.TLS.UnmarshalText([]byte(d.TLS)); err != nil {
		l.TLS = policy.TLSVerify
	}
	if err := l.EightBit.UnmarshalText([]byte(d.EightBit)); err != nil {
		l.EightBit = policy.EightBitConvert
	}
	return l
}

func phasesOf(t Timeouts) policy.PhaseTimeouts {
	return policy.PhaseTimeouts{
		Greeting: t.Greeting.Duration, EHLO: t.EHLO.Duration, StartTLS: t.StartTLS.Duration,
		Mail: t.Mail.Duration, Rcpt: t.Rcpt.Duration, DataInit: t.DataInit.Duration,
		DataBlock: t.DataBlock.Duration, DataEnd: t.DataEnd.Duration, Quit: t.Quit.Duration,
	}
}

func partialLimits(cfg *Config, site Site) policy.PartialLimits {
	whole := limitsOf(cfg.Delivery.With(site))
	p := policy.PartialLimits{
		Connections: site.Connections, MessagesPerConnection: site.MessagesPerConnection,
		RecipientsPerTransaction: site.RecipientsPerTransaction, MessagesPerSecond: site.MessagesPerSecond,
		Burst: site.Burst, Phases: phasesOf(overlay(Timeouts{}, site.Timeouts)), // only those the site sets
	}
	if site.IdleTimeout != nil {
		p.IdleTimeout = &whole.IdleTimeout
	}
	if site.Timeouts.Connect != nil {
		p.ConnectTimeout = &whole.ConnectTimeout
	}
	if site.TLS != nil {
		p.TLS = &whole.TLS
	}
	if site.EightBit != nil {
		p.EightBit = &whole.EightBit
	}
	if site.Port != nil {
		port := uint16(*site.Port)
		p.Port = &port
	}
	if site.Pipelining != nil {
		p.NoPipelining = &whole.NoPipelining
	}
	if site.Chunking != nil {
		p.NoChunking = &whole.NoChunking
	}
	return p
}

func schedulesOf(cfg *Config) policy.Schedules {
	out := policy.Schedules{Default: scheduleOf(cfg.Retry), Domains: map[string]*policy.Schedule{}}
	for _, d := range cfg.Retry.Domains {
		for _, match := range d.Match {
			s := scheduleOf(cfg.Retry.With(d))
			out.Domains[match] = &s
		}
	}
	return out
}

func scheduleOf(r Retry) policy.Schedule {
	s := policy.Schedule{
		Jitter: r.Jitter, Expire: r.Expire.Duration,
		DelayWarning: r.DelayWarning.Duration, GreylistRetry: r.GreylistRetry.Duration,
	}
	for _, i := range r.Intervals {
		s.Intervals = append(s.Intervals, i.Duration)
	}
	return s
}

// poolsOf gives each pool its sources. The check of the configuration has seen that the names fit.
func poolsOf(cfg *Config) policy.Pools {
	sources := map[string]policy.Source{}
	for _, s := range cfg.Sources {
		sources[s.Name] = policy.Source{Name: s.Name, IP: s.IP, EHLO: s.EHLO}
	}
	pools := map[string]*policy.Pool{}
	for _, p := range cfg.Pools {
		pool := &policy.Pool{Name: p.Name}
		for _, s := range cfg.Sources { // the order of the sources, so that the choice does not depend on a map's
			if weight := p.Sources[s.Name]; weight > 0 {
				pool.Members = append(pool.Members, policy.Member{Source: sources[s.Name], Weight: weight})
			}
		}
		pools[p.Name] = pool
	}
	out := policy.Pools{Default: pools[cfg.Delivery.Pool], Domains: map[string]*policy.Pool{}}
	for _, site := range cfg.Sites {
		if site.Pool != nil {
			for _, match := range site.Match {
				out.Domains[match] = pools[*site.Pool]
			}
		}
	}
	return out
}

// serverConfig is the configuration of one listener's server. certificate is nil when it has no TLS.
func serverConfig(cfg *Config, l Listener, set *certificateSet, memory *smtp.Budget, log *zap.Logger) smtp.ServerConfig {
	limits := cfg.Limits.With(l.Limits)
	c := smtp.ServerConfig{
		Hostname: cfg.Hostname, Listener: l.Name, AllowInsecureAuth: l.AuthInsecure,
		ImplicitTLS:     l.TLS == "implicit",
		MaxMessageBytes: int64(limits.MessageSize), MaxRecipients: limits.Recipients, MaxLineLength: limits.LineLength,
		MaxCommands: limits.Commands, MaxErrors: limits.Errors,
		MaxConnections: limits.Connections, MaxConnectionsPerAddr: limits.ConnectionsPerAddress,
		ReadTimeout: limits.IdleTime.Duration, TransactionTimeout: limits.TransactionTime.Duration,
		Memory: memory, ProxyTrusted: prefixes(l.ProxyTrusted),
		Report: func(err error) { log.Error("listener", zap.String("listener", l.Name), zap.Error(err)) },
	}
	if limits.BareLF == "normalise" {
		c.BareNewlines = smtp.BareNormalise
	}
	if set != nil {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: set.get}
		c.TLSReady = set.ready
	}
	return c
}
