package imap

import (
	"crypto/tls"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// Config are the settings of a Server. The zero value of a limit means its default.
type Config struct {
	// Hostname is the name in the greeting.
	Hostname string
	// Version is told to clients that ask (ID, RFC 2971); empty: nothing is.
	Version string
	// TLS offers STARTTLS, or is used from the first octet if ImplicitTLS is set (RFC 8314). Versions
	// below 1.2 are never taken.
	TLS         *tls.Config
	ImplicitTLS bool
	// TLSReady tells whether there is a certificate by now; until then STARTTLS is not offered. nil: there
	// always is.
	TLSReady func() bool

	Store  *mailbox.Store
	Logins mailbox.Logins

	// MaxConnections bounds open connections; default 10,000. MaxConnectionsPerAddr bounds them for one IPv4
	// address or one IPv6 /64; default 200: an office of clients behind one address, each with several.
	MaxConnections, MaxConnectionsPerAddr int
	// MaxMessageBytes bounds an APPEND; default 50 MiB.
	MaxMessageBytes int64
	// Memory bounds the contents that all sessions hold at a time, in bytes; default 256 MiB. An account may have
	// a quarter of it, or MaxMessageBytes if that is more. Who comes when it is used up waits, for half a
	// minute at most. It is never less than MaxMessageBytes.
	Memory int64
	// MaxErrors bounds commands that are refused as BAD, from login to logout; default 100. Before login
	// there are 10.
	MaxErrors int
	// CommandsPerSecond bounds a session's commands over time, with bursts of ten times as many; the next
	// is then read later. Default 100.
	CommandsPerSecond int

	// LoginTimeout bounds the time from connecting to the login; default 3 minutes.
	LoginTimeout time.Duration
	// IdleTimeout is how long a client may be silent, also in IDLE; default 31 minutes, at least 30
	// (RFC 9051 5.4).
	IdleTimeout time.Duration
	// CommandTimeout bounds the time for the rest of a command whose first octet has come, and for the next
	// octets of a literal; default 1 minute. The message of an APPEND may take as long as its size at 8 KiB a
	// second, and CommandTimeout.
	CommandTimeout time.Duration
	// WriteTimeout bounds the time for the client to take the next 32 KiB; default 1 minute. More than that at once must
	// be taken in WriteTimeout and its size at 8 KiB a second.
	WriteTimeout time.Duration

	// Log is told of errors that belong to no client, and of sessions at debug level; nil: none.
	Log *zap.Logger
}

// withDefaults returns the settings with their defaults filled in.
func (cfg Config) withDefaults() Config {
	if cfg.Hostname == "" {
		cfg.Hostname = "localhost"
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.TLS != nil {
		cfg.TLS = cfg.TLS.Clone()
		cfg.TLS.MinVersion = max(cfg.TLS.MinVersion, tls.VersionTLS12)
	}
	setDefault(&cfg.MaxConnections, 10_000)
	setDefault(&cfg.MaxConnectionsPerAddr, 200)
	setDefault(&cfg.MaxMessageBytes, 50<<20)
	setDefault(&cfg.Memory, 256<<20)
	cfg.Memory = max(cfg.Memory, cfg.MaxMessageBytes)
	setDefault(&cfg.MaxErrors, 100)
	setDefault(&cfg.CommandsPerSecond, 100)
	setDefault(&cfg.LoginTimeout, 3*time.Minute)
	setDefault(&cfg.IdleTimeout, 31*time.Minute)
	setDefault(&cfg.CommandTimeout, time.Minute)
	setDefault(&cfg.WriteTimeout, time.Minute)
	return cfg
}

func setDefault[T int | int64 | time.Duration](v *T, to T) {
	if *v <= 0 {
		*v = to
	}
}
