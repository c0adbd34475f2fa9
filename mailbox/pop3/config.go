package pop3

import (
	"crypto/tls"
	"time"

	"github.com/posthaste-mta/posthaste/mailbox"
	"go.uber.org/zap"
)

// Config are the settings of a Server. The zero value of a limit means its default. The limits on
// connections are off when negative; no other limit can be.
type Config struct {
	// Hostname is the name in the greeting.
	Hostname string
	// Listener names the listener in the log.
	Listener string

	// TLS offers STLS, or is used from the first byte if ImplicitTLS is set (RFC 8314). Versions below 1.2 are
	// never taken, whatever it says.
	TLS         *tls.Config
	ImplicitTLS bool
	// TLSReady tells whether there is a certificate by now; until then STLS is not offered. nil: there always is.
	TLSReady func() bool

	// Store has the mail, and Logins knows who may read it. Which logins are offered, and whether any are in
	// clear, is what Logins.Mechanisms says.
	Store  *mailbox.Store
	Logins mailbox.Logins

	// MaxConnections bounds open connections; default 2000. Others get -ERR [SYS/TEMP].
	MaxConnections int
	// MaxConnectionsPerAddr bounds them for one IPv4 address or one IPv6 /64; default 50.
	MaxConnectionsPerAddr int
	// MaxCommands bounds the commands of a session; default 1000. Once logged in, a session may give
	// commandsPerMessage more for each message in the maildrop.
	MaxCommands int
	// MaxErrors bounds the commands of a session that break the protocol; default 20.
	MaxErrors int
	// MaxLogins bounds the failed logins of a connection; default 5.
	MaxLogins int

	// LoginTimeout bounds the time from the connection to the login; default 3 minutes.
	LoginTimeout time.Duration
	// IdleTimeout bounds the wait for a whole command after the login; default 10 minutes, and RFC 1939 3 wants
	// no less. A peer that has vanished without a word, and does not answer probes of TCP, is found out
	// earlier.
	IdleTimeout time.Duration
	// WriteTimeout bounds the time in which the peer must take a reply, and MinRate, in bytes a second, what it
	// may take longer for a message; default one minute and 8 KiB. A peer that does not read holds the
	// maildrop and the message in memory no longer than that.
	WriteTimeout time.Duration
	MinRate      int64

	// Memory is what messages on their way out may use, shared by the servers of a process; nil makes one of
	// DefaultMemory.
	Memory *Memory

	// Log is for sessions that logged in, and for what belongs to no client; nil: none. No secret and no
	// name that did not log in is written there.
	Log *zap.Logger
}

// commandsPerMessage is enough for LIST, UIDL, TOP, RETR and DELE of each message, and to ask again.
const commandsPerMessage = 8

// withDefaults returns the settings with their defaults filled in.
func (cfg Config) withDefaults() Config {
	if cfg.Hostname == "" {
		cfg.Hostname = "localhost"
	}
	if cfg.Memory == nil {
		cfg.Memory = NewMemory(DefaultMemory)
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = 2000
	}
	if cfg.MaxConnectionsPerAddr == 0 {
		cfg.MaxConnectionsPerAddr = 50
	}
	setDefault(&cfg.MaxCommands, 1000)
	setDefault(&cfg.MaxErrors, 20)
	setDefault(&cfg.MaxLogins, 5)
	setDefault(&cfg.LoginTimeout, 3*time.Minute)
	setDefault(&cfg.IdleTimeout, 10*time.Minute)
	setDefault(&cfg.WriteTimeout, time.Minute)
	setDefault(&cfg.MinRate, 8<<10)
	return cfg
}

func setDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}
