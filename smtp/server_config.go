package smtp

import (
	"crypto/tls"
	"net/netip"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// BareNewlines says what to do with a message that holds a bare CR, a bare LF or a NUL. Such bytes
// are read as a line end by some hosts and not by others, which lets a message carry a second one
// past us ("SMTP smuggling"); they are never passed on.
type BareNewlines uint8

const (
	// BareRefuse reads to the true end of the content, CR LF . CR LF, and refuses it with 550.
	BareRefuse BareNewlines = iota
	// BareNormalise takes the message: a bare LF, also behind several CRs, becomes CR LF, and any
	// other bare CR and each NUL becomes a space. The end of the content still is CR LF . CR LF only.
	BareNormalise
)

// ServerConfig are the settings of a Server. The zero value of a limit means its default. The limits
// on connections are off when negative; no other limit can be.
type ServerConfig struct {
	// Hostname is the name in the greeting and in the reply to EHLO.
	Hostname string
	// Listener names the listener in ConnInfo.
	Listener string

	// TLS offers STARTTLS, or is used from the first byte if ImplicitTLS is set (RFC 8314).
	// Versions below 1.2 are never taken, whatever it says.
	TLS         *tls.Config
	ImplicitTLS bool
	// TLSReady tells whether there is a certificate by now; until then STARTTLS is not offered and answered with
	// 454 4.7.0. nil: there always is. It is asked at each EHLO.
	TLSReady func() bool
	// RequireTLS answers 530 to all but EHLO, NOOP, RSET, QUIT and STARTTLS until there is TLS.
	RequireTLS bool
	// AllowInsecureAuth offers AUTH without TLS. For tests and trusted networks.
	AllowInsecureAuth bool
	// DisableSMTPUTF8, DisableChunking and DisableDSN take an extension away.
	DisableSMTPUTF8, DisableChunking, DisableDSN bool
	// EnableREQUIRETLS offers REQUIRETLS (RFC 8689) on TLS connections.
	EnableREQUIRETLS bool

	// MaxMessageBytes bounds the content; default 50 MiB. It is offered as SIZE, and lowered to a
	// quarter of Memory, so that one message can always be held while its buffer grows.
	MaxMessageBytes int64
	// MaxRecipients bounds the recipients of a message; default 1000. The surplus is answered with
	// 452 4.5.3 and the accepted ones stay (RFC 5321 4.5.3.1.10).
	MaxRecipients int
	// MaxLineLength bounds a line of the content, in bytes without CR LF; default 64 KiB. The 998
	// of RFC 5322 is broken by much honest software and by no receiver enforced alike; the cap only
	// keeps out what no reader of mail can want.
	MaxLineLength int
	// MaxCommands bounds commands since the last accepted message, without accepted recipients;
	// default 1000. The session then ends with 421 4.7.0.
	MaxCommands int
	// MaxErrors bounds refused commands since the last accepted message; default 20. The session
	// then ends with 421 4.7.0.
	MaxErrors int

	// MaxConnections bounds open connections; default 10,000. Others get 421 4.7.0.
	MaxConnections int
	// MaxConnectionsPerAddr bounds them for one IPv4 address or one IPv6 /64; default 1000.
	MaxConnectionsPerAddr int

	// ReadTimeout bounds the wait for a complete command, for the next bytes of content and for the
	// peer to take a reply; default 5 minutes (RFC 5321 4.5.3.2.7). It may be exceeded by an eighth
	// or a second, whichever is less.
	ReadTimeout time.Duration
	// TransactionTimeout bounds the time from MAIL to the end of the content; default 30 minutes.
	TransactionTimeout time.Duration
	// GreetDelay holds the greeting back that long and refuses, with 554, clients that talk
	// before it. Zero greets at once and does not look.
	GreetDelay time.Duration

	// Memory is what message content may use, shared by the servers of a process; nil makes one of
	// DefaultMemory. When it is used up, messages get 452 4.3.1.
	Memory *Budget
	// BareNewlines is the policy for bare CR, bare LF and NUL in content.
	BareNewlines BareNewlines

	// ProxyTrusted are the networks whose connections must begin with a PROXY protocol header
	// (version 1 or 2). Connections from elsewhere gain nothing by sending one.
	ProxyTrusted []netip.Prefix

	// SessionIDs makes the sessions' names; nil makes a source of the Server's own. Servers of one
	// process share one, so that no name is given twice.
	SessionIDs *message.IDs

	// Report is called with errors that belong to no client: a panic of a Session, a failing accept.
	// It must be safe for concurrent use; nil drops them.
	Report func(error)
}

// withDefaults returns the settings with their defaults filled in.
func (cfg ServerConfig) withDefaults() ServerConfig {
	if cfg.Hostname == "" {
		cfg.Hostname = "localhost"
	}
	if cfg.Memory == nil {
		cfg.Memory = NewBudget(DefaultMemory)
	}
	if cfg.SessionIDs == nil {
		cfg.SessionIDs = new(message.IDs)
	}
	setDefault(&cfg.MaxMessageBytes, 50<<20)
	// A buffer may be twice the size of the content in it, and the one that it replaces as large as
	// the content.
	cfg.MaxMessageBytes = min(cfg.MaxMessageBytes, cfg.Memory.limit/4)
	setDefault(&cfg.MaxRecipients, 1000)
	setDefault(&cfg.MaxLineLength, 64<<10)
	setDefault(&cfg.MaxCommands, 1000)
	setDefault(&cfg.MaxErrors, 20)
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = 10_000
	}
	if cfg.MaxConnectionsPerAddr == 0 {
		cfg.MaxConnectionsPerAddr = 1000
	}
	setDefault(&cfg.ReadTimeout, 5*time.Minute)
	setDefault(&cfg.TransactionTimeout, 30*time.Minute)
	return cfg
}

func setDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}
