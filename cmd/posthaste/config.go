package main

import "net/netip"

// Config is the configuration file, as typed values. The name of a key in the file is the toml
// tag; the tags enum, min and max bound a value and are checked by checkBounds. A key with
// min:"0" whose comment says so is switched off by 0.
//
// The engines never see this type: serve and up translate it into the options of each.
type Config struct {
	// Hostname is what posthaste calls itself: greeting, EHLO, Received, reports. Default: the
	// machine's name.
	Hostname string `toml:"hostname"`
	// DataDir holds the queue. One process at a time may use it.
	DataDir string `toml:"data_dir"`
	// SmartHost takes the mail of every domain without a route: host, host:port or [address]:port, or a provider's by
	// "isp:" and the name that `posthaste isp` has for it.
	SmartHost string `toml:"smart_host"`

	Listeners []Listener `toml:"listener"`
	// Credentials are names that may log in.
	Credentials []Credential `toml:"credential"`
	// Logins are who we are at next hops that want to know.
	Logins []Login `toml:"login"`
	// Certificates are for all listeners with TLS, beside their own.
	Certificates []Certificate `toml:"certificate"`
	ACME         ACME          `toml:"acme"`

	Limits Limits `toml:"limits"`
	// Allowed is how much each client, login, tenant and so on may ask for.
	Allowed     []Limit     `toml:"limit"`
	Tarpit      Tarpit      `toml:"tarpit"`
	Suppression Suppression `toml:"suppression"`
	Relay       Relay       `toml:"relay"`
	Mailbox     Mailbox     `toml:"mailbox"`
	Aliases     []Alias     `toml:"alias"`
	Inbound     Inbound     `toml:"inbound"`
	Greylist    Greylist    `toml:"greylist"`
	Milters     []Milter    `toml:"milter"`
	DKIM        DKIM        `toml:"dkim"`
	Queue       Queue       `toml:"queue"`
	DNS         DNS         `toml:"dns"`
	// Routes sends the mail of a domain, of all below a ".suffix", or of "*", to a fixed host.
	Routes     map[string]string `toml:"routes"`
	Delivery   Delivery          `toml:"delivery"`
	Sites      []Site            `toml:"site"`
	Sources    []Source          `toml:"source"`
	Pools      []Pool            `toml:"pool"`
	Retry      Retry             `toml:"retry"`
	Classify   Classify          `toml:"classify"`
	Bounce     Bounce            `toml:"bounce"`
	Events     Events            `toml:"events"`
	Autoconfig Autoconfig        `toml:"autoconfig"`
	HTTP       HTTP              `toml:"http"`
	Control    Control           `toml:"control"`
	Log        Log               `toml:"log"`
	Shutdown   Shutdown          `toml:"shutdown"`
}

// Listener is one socket of SMTP, IMAP or POP3.
type Listener struct {
	// Name stands in events and metrics; a socket passed by systemd is matched by it.
	Name string `toml:"name"`
	// Address is host:port, or "systemd" for the socket unit whose FileDescriptorName is Name.
	Address string `toml:"address"`
	// Kind is mx (other servers bring mail) or submission (own users and programs do: a missing
	// Date and Message-ID are added, Bcc is removed); imap and pop3 are where owners of mailboxes read their mail.
	Kind string `toml:"kind" enum:"mx,submission,imap,pop3"`
	// Tenant owns the mail taken here, and Class is its priority: within a domain and a site, tenants
	// and classes take turns by [queue.weights], so that a newsletter never buries a password reset.
	Tenant string `toml:"tenant"`
	Class  string `toml:"class" enum:"normal,transactional,bulk"`
	// TLS is none, starttls (RFC 3207) or implicit (RFC 8314).
	TLS string `toml:"tls" enum:"none,starttls,implicit"`
	// Cert and Key are PEM files, read again when they change; or Cert is "acme". Without them the
	// listener shows the [[certificate]]s.
	Cert string `toml:"cert"`
	Key  string `toml:"key"`
	// Auth says who must log in: off (nobody can), optional (who wants to), strangers (clients outside of
	// relay.networks) or required (all). Default: strangers for a submission listener, off for others.
	Auth string `toml:"auth" enum:"off,optional,strangers,required"`
	// AuthInsecure takes logins in the clear too.
	AuthInsecure bool `toml:"auth_insecure"`
	// ProxyTrusted are the peers whose PROXY protocol header is believed; others get none.
	ProxyTrusted []Prefix `toml:"proxy_trusted"`
	// Inbound is check (strangers' mail is looked at as [inbound] and [greylist] say) or none. Default: check for mx.
	Inbound string `toml:"inbound" enum:"check,none"`
	// DKIM is sign (mail of clients that may send to any domain is signed by [dkim]) or none (nothing that comes in
	// here is: others' mail that is only passed on).
	DKIM string `toml:"dkim" enum:"sign,none"`
	// Limits replaces single keys of [limits] on this listener.
	Limits ListenerLimits `toml:"limits"`
}

// Limits bounds what one client, and all of them, may cost. Beyond them a client gets a 4xx or
// 5xx reply, never silence.
type Limits struct {
	MessageSize           Size     `toml:"message_size" min:"64KiB"`
	Recipients            int      `toml:"recipients" min:"100"` // per message; RFC 5321 4.5.3.1.8 wants at least 100
	LineLength            int      `toml:"line_length" min:"998"`
	Commands              int      `toml:"commands" min:"10"` // per session
	Errors                int      `toml:"errors" min:"1"`    // per session, then 421
	Connections           int      `toml:"connections" min:"1"`
	ConnectionsPerAddress int      `toml:"connections_per_address" min:"1"`
	IdleTime              Duration `toml:"idle_time" min:"1s"`        // for each read and write
	TransactionTime       Duration `toml:"transaction_time" min:"1s"` // from MAIL to the reply to the content
	// MessageMemory is the budget for content that is being received, over all connections; beyond
	// it a client gets 452.
	MessageMemory Size `toml:"message_memory" min:"1MiB"`
	// BareLF is what becomes of a message with a CR or LF that is not part of a CRLF: refuse with
	// 550, or normalise to CRLF. It is never passed on.
	BareLF string `toml:"bare_lf" enum:"refuse,normalise"`
	// MaxReceived is how many Received fields mark a message as looping (RFC 5321 6.3).
	MaxReceived int `toml:"max_received" min:"10"`
	// Uncounted are networks whose addresses no [[limit]] counts as clients.
	Uncounted []Prefix `toml:"uncounted"`
}

// ListenerLimits holds the keys of Limits that a listener can replace; nil inherits.
type ListenerLimits struct {
	MessageSize           *Size     `toml:"message_size" min:"64KiB"`
	Recipients            *int      `toml:"recipients" min:"100"`
	LineLength            *int      `toml:"line_length" min:"998"`
	Commands              *int      `toml:"commands" min:"10"`
	Errors                *int      `toml:"errors" min:"1"`
	Connections           *int      `toml:"connections" min:"1"`
	ConnectionsPerAddress *int      `toml:"connections_per_address" min:"1"`
	IdleTime              *Duration `toml:"idle_time" min:"1s"`
	TransactionTime       *Duration `toml:"transaction_time" min:"1s"`
	BareLF                *string   `toml:"bare_lf" enum:"refuse,normalise"`
	MaxReceived           *int      `toml:"max_received" min:"10"`
}

// Relay says whose mail is taken for anywhere, and which domains' mail is taken from anyone.
type Relay struct {
	// Networks may relay to every domain. Default: this machine alone.
	Networks []Prefix `toml:"networks"`
	// Domains are accepted from every client; ".example.net" takes all below example.net.
	Domains []string `toml:"domains"`
	// Recipients is a file with the addresses that there are in Domains, one a line; others get 550. Empty: not known.
	Recipients string `toml:"recipients"`
	// Postmaster receives the mail for postmaster, without a domain or at Hostname, whoever sends it
	// (RFC 5321 4.5.1). Empty: it goes to Hostname, like the mail of any domain.
	Postmaster string `toml:"postmaster"`
}

// Queue is the store's share of the machine.
type Queue struct {
	// Memory is the most that the store and its caches use, whatever the length of the queue.
	Memory Size `toml:"memory" min:"16MiB"`
	// MinFreeDisk is left free on the disk of DataDir: with less, new mail gets 452.
	MinFreeDisk Size `toml:"min_free_disk" min:"0"`
	// MaxSize and MaxMessages are the most the queue takes before new mail gets 452; 0 is no limit.
	MaxSize     Size `toml:"max_size" min:"0"`
	MaxMessages int  `toml:"max_messages" min:"0"`
	// Weights shares a site's connections among the classes that wait for it.
	Weights Weights `toml:"weights"`
}

// Weights is the share of each priority class.
type Weights struct {
	Transactional int `toml:"transactional" min:"1" max:"1000"`
	Normal        int `toml:"normal" min:"1" max:"1000"`
	Bulk          int `toml:"bulk" min:"1" max:"1000"`
}

// DNS is how destinations are looked up and which may be connected to.
type DNS struct {
	// Servers are host:port or host; none means those of /etc/resolv.conf.
	Servers      []string `toml:"servers"`
	Timeout      Duration `toml:"timeout" min:"10ms"` // for one query to one server
	Attempts     int      `toml:"attempts" min:"1" max:"10"`
	CacheEntries int      `toml:"cache_entries" min:"100"`
	MinTTL       Duration `toml:"min_ttl" min:"0s"`
	MaxTTL       Duration `toml:"max_ttl" min:"1s"`
	NegativeTTL  Duration `toml:"negative_ttl" min:"0s"` // the most that "no such name" is kept
	// IP is which addresses of a host are tried, and in which order.
	IP string `toml:"ip" enum:"prefer-ipv6,prefer-ipv4,ipv4,ipv6"`
	// AllowPrivate are loopback and private ranges that mail may be delivered to although DNS
	// names them; routes and the smart host need no leave.
	AllowPrivate []Prefix `toml:"allow_private"`
	// Deny are ranges that mail is never delivered to.
	Deny []Prefix `toml:"deny"`
}

// Source is a local address that connections are made from, and the name it goes by.
type Source struct {
	Name string     `toml:"name"`
	IP   netip.Addr `toml:"ip"`
	EHLO string     `toml:"ehlo"` // default: the hostname
}

// Pool is a set of sources with the share that each gets.
type Pool struct {
	Name    string         `toml:"name"`
	Sources map[string]int `toml:"sources"` // name of a source -> weight
}

// Bounce is what posthaste sends when mail fails or is late.
type Bounce struct {
	From string `toml:"from"` // header From of reports; default MAILER-DAEMON@hostname
	// ReturnSize is the longest message sent back whole; of a longer one only the header.
	ReturnSize Size `toml:"return_size" min:"0"`
	// StormLimit is how many reports one address gets an hour; further ones end as events.
	StormLimit int `toml:"storm_limit" min:"1"`
}

// Events is the event log: one line for each change of a recipient's state.
type Events struct {
	// Path is the file; default: events.jsonl in DataDir.
	Path   string `toml:"path"`
	Format string `toml:"format" enum:"json,postfix,text"`
	// RotateSize and RotateAge start a new file; 0 never does (SIGHUP reopens, for logrotate).
	RotateSize Size     `toml:"rotate_size" min:"0"`
	RotateAge  Duration `toml:"rotate_age" min:"0s"`
	Keep       int      `toml:"keep" min:"1"` // rotated files kept
	// Compress compresses rotated files, all but the newest, in the background.
	Compress bool `toml:"compress"`
	// Detail writes the steps of each attempt too, which `posthaste trace` shows.
	Detail bool `toml:"detail"`
}

// HTTP is the listener for metrics and health.
type HTTP struct {
	Address string `toml:"address"` // "" is off
}

// Control is the unix socket that `posthaste queue`, audit and trace speak to.
type Control struct {
	Socket string `toml:"socket"`
}

// Log is the program's own log, on standard error.
type Log struct {
	Level  string `toml:"level" enum:"debug,info,warn,error"`
	Format string `toml:"format" enum:"console,json"`
}

// Shutdown is how the process ends on SIGTERM.
type Shutdown struct {
	// Drain is how long transactions and deliveries in flight may take to end.
	Drain Duration `toml:"drain" min:"0s"`
}
