package policy

import "time"

// TLSPolicy says what a delivery demands of TLS.
type TLSPolicy uint8

const (
	TLSOpportunistic TLSPolicy = iota // use it when offered, whatever the certificate (RFC 7435)
	TLSNone                           // never
	TLSEncrypt                        // demand it, whatever the certificate
	TLSVerify                         // demand it with a valid certificate
)

// Limits says how hard one lane, a source to a site, may press.
type Limits struct {
	Connections              int     // open at once
	MessagesPerConnection    int     // then it is closed
	RecipientsPerTransaction int     // RCPT commands of one message
	MessagesPerSecond        float64 // started; 0 means no limit
	Burst                    int     // messages that may start at once under MessagesPerSecond
	IdleTimeout              time.Duration
	ConnectTimeout           time.Duration
	TLS                      TLSPolicy
}

// Partial is Limits of which only the set ones override others; nil means not set.
type Partial struct {
	Connections, MessagesPerConnection, RecipientsPerTransaction, Burst *int
	MessagesPerSecond                                                   *float64
	IdleTimeout, ConnectTimeout                                         *time.Duration
	TLS                                                                 *TLSPolicy
}

// Override is limits for some destinations.
type Override struct {
	// Match is a domain, ".suffix" for all domains below it, or a pattern of sites with
	// "*" for any run of characters, prefixed by "site:".
	Match string
	Set   Partial
}

// Shaping is the limits of all destinations.
type Shaping struct {
	Default   Limits
	Overrides []Override
}

// For returns the limits of a domain whose site is known.
func (s *Shaping) For(domain, site string) Limits { return s.Default }

// DefaultLimits is what holds where nothing is configured.
func DefaultLimits() Limits {
	return Limits{Connections: 20, MessagesPerConnection: 100, RecipientsPerTransaction: 100,
		IdleTimeout: 10 * time.Second, ConnectTimeout: 30 * time.Second}
}
