package main

// Delivery is how mail is handed to a site: the receiving system behind one or many domains.
type Delivery struct {
	// Port is where hosts found by MX listen.
	Port int `toml:"port" min:"1" max:"65535"`
	// MaxConnections is the most connections out of this process, over all sites.
	MaxConnections int `toml:"max_connections" min:"1"`
	// Memory bounds the content that is being sent, over all sites; beyond it mail waits its turn.
	Memory Size `toml:"memory" min:"1MiB"`
	// Pool is the pool of sources to connect from; "" lets the system choose the address.
	Pool string `toml:"pool"`

	Connections              int      `toml:"connections" min:"1"`             // to one site from one source
	MessagesPerConnection    int      `toml:"messages_per_connection" min:"0"` // 0: no limit
	MessagesPerSecond        float64  `toml:"messages_per_second" min:"0"`     // to one site from one source; 0: no limit
	Burst                    int      `toml:"burst" min:"1"`                   // messages that may start at once under messages_per_second
	RecipientsPerTransaction int      `toml:"recipients_per_transaction" min:"1"`
	IdleTimeout              Duration `toml:"idle_timeout" min:"0s"` // an unused connection is closed after it
	// TLS is none (never), opportunistic (when offered, any certificate; once more without when
	// the handshake fails), encrypt (or defer) or verify (and the certificate must
	// name the host).
	TLS string `toml:"tls" enum:"none,opportunistic,encrypt,verify"`
	// EightBit is what becomes of a message with 8-bit characters at a host without 8BITMIME: convert (to
	// 7-bit MIME, which breaks a DKIM signature over the body), send (as it is) or bounce.
	EightBit   string `toml:"eightbit" enum:"convert,send,bounce"`
	Pipelining bool   `toml:"pipelining"` // use PIPELINING where offered (RFC 2920)
	Chunking   bool   `toml:"chunking"`   // use CHUNKING where offered (RFC 3030)

	Timeouts Timeouts `toml:"timeouts"`
}

// Timeouts bounds the phases of a delivery; the defaults are those of RFC 5321 4.5.3.2.
type Timeouts struct {
	Connect   Duration `toml:"connect" min:"1ms"`
	Greeting  Duration `toml:"greeting" min:"1ms"`
	EHLO      Duration `toml:"ehlo" min:"1ms"`
	StartTLS  Duration `toml:"starttls" min:"1ms"` // the reply and the handshake
	Mail      Duration `toml:"mail" min:"1ms"`
	Rcpt      Duration `toml:"rcpt" min:"1ms"`
	DataInit  Duration `toml:"data_init" min:"1ms"`  // the 354
	DataBlock Duration `toml:"data_block" min:"1ms"` // each write of content
	DataEnd   Duration `toml:"data_end" min:"1ms"`   // the reply to the final dot
	Quit      Duration `toml:"quit" min:"1ms"`
}

// Site replaces keys of Delivery for the domains and sites that Match names.
type Site struct {
	// Match lists domains ("example.com"), all below one (".example.com"), or patterns of sites
	// ("site:*.mail.example"); posthaste resolve tells the name of a domain's site. Of several
	// entries that fit, a later one replaces the keys it sets.
	Match []string `toml:"match"`

	Pool                     *string         `toml:"pool"`
	Port                     *int            `toml:"port" min:"1" max:"65535"`
	Connections              *int            `toml:"connections" min:"1"`
	MessagesPerConnection    *int            `toml:"messages_per_connection" min:"0"`
	MessagesPerSecond        *float64        `toml:"messages_per_second" min:"0"`
	Burst                    *int            `toml:"burst" min:"1"`
	RecipientsPerTransaction *int            `toml:"recipients_per_transaction" min:"1"`
	IdleTimeout              *Duration       `toml:"idle_timeout" min:"0s"`
	TLS                      *string         `toml:"tls" enum:"none,opportunistic,encrypt,verify"`
	EightBit                 *string         `toml:"eightbit" enum:"convert,send,bounce"`
	Pipelining               *bool           `toml:"pipelining"`
	Chunking                 *bool           `toml:"chunking"`
	Timeouts                 PartialTimeouts `toml:"timeouts"`
}

// PartialTimeouts holds the keys of Timeouts that a site replaces; nil inherits.
type PartialTimeouts struct {
	Connect   *Duration `toml:"connect" min:"1ms"`
	Greeting  *Duration `toml:"greeting" min:"1ms"`
	EHLO      *Duration `toml:"ehlo" min:"1ms"`
	StartTLS  *Duration `toml:"starttls" min:"1ms"`
	Mail      *Duration `toml:"mail" min:"1ms"`
	Rcpt      *Duration `toml:"rcpt" min:"1ms"`
	DataInit  *Duration `toml:"data_init" min:"1ms"`
	DataBlock *Duration `toml:"data_block" min:"1ms"`
	DataEnd   *Duration `toml:"data_end" min:"1ms"`
	Quit      *Duration `toml:"quit" min:"1ms"`
}

// Retry is when a deferred recipient is tried again, and when that ends.
type Retry struct {
	// Intervals are the waits after the first, second, ... failure; the last one repeats.
	Intervals []Duration `toml:"intervals" min:"1ms"`
	// Jitter spreads each wait by up to this share, so that mail deferred together does not
	// return together.
	Jitter        float64  `toml:"jitter" min:"0" max:"1"`
	Expire        Duration `toml:"expire" min:"1ms"`         // from acceptance to the bounce
	DelayWarning  Duration `toml:"delay_warning" min:"0s"`   // from acceptance to the one warning; 0: none
	GreylistRetry Duration `toml:"greylist_retry" min:"1ms"` // the first wait after a greylisting reply

	// Domains replaces keys for some domains; one that names a domain counts before one that
	// names all below it.
	Domains []RetryDomain `toml:"domain"`
}

// RetryDomain replaces keys of Retry for the domains that Match names.
type RetryDomain struct {
	Match         []string    `toml:"match"` // "example.com" or ".example.com"
	Intervals     *[]Duration `toml:"intervals" min:"1ms"`
	Jitter        *float64    `toml:"jitter" min:"0" max:"1"`
	Expire        *Duration   `toml:"expire" min:"1ms"`
	DelayWarning  *Duration   `toml:"delay_warning" min:"0s"`
	GreylistRetry *Duration   `toml:"greylist_retry" min:"1ms"`
}
