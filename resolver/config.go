package resolver

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Config is what a Resolver is made from. The zero value asks the servers of /etc/resolv.conf,
// delivers to port 25 and refuses every address that is not a public one.
type Config struct {
	// Servers are the recursive servers to ask, each "host:port" or a bare address (port 53), in order
	// of preference. Empty: the nameserver lines of /etc/resolv.conf.
	Servers []string
	// Timeout is how long one try at one server may take. 0: 3 s.
	Timeout time.Duration
	// Attempts is how often the list of servers is gone through while they do not answer. 0: 2.
	Attempts int
	// MaxQueries bounds the lookups in flight at once, those for routes and those of the Lookup methods each on
	// their own; more wait for their turn. 0: 512.
	MaxQueries int
	// DNSSEC sets the DO bit. The AD bit, which asks for the server's verdict alone, is always set.
	// The verdict is worth something only when the way to the servers is safe.
	DNSSEC bool

	// MinTTL and MaxTTL bound how long an answer is kept. 0: 30 s and 24 h.
	MinTTL, MaxTTL time.Duration
	// NegativeTTL is the most that "no such name" or "no such record" is kept. 0: 15 min.
	NegativeTTL time.Duration
	// FailureTTL is how long a failed lookup is kept (RFC 9520 asks for 1 s to 5 min). 0: 5 s.
	FailureTTL time.Duration
	// MaxStale is how long past its end an answer may still be used when the servers fail
	// (RFC 8767). 0: 24 h; negative: never.
	MaxStale time.Duration
	// CacheEntries bounds what is cached: the records of all answers, once more the addresses of all
	// routes, and once more the answers to the Lookup methods. What is not there counts as one. An entry takes about 260 bytes. 0: 100,000.
	CacheEntries int

	// Routes are the static routes, pattern -> next hop; see ParseNextHop and the table in routes.go
	// for the grammar of both sides.
	Routes map[string]string
	// SmartHost is the next hop of every domain that no pattern of Routes matches. "": none, deliver by MX.
	SmartHost string
	// Port is the port of every host that does not name its own. 0: 25.
	Port uint16
	// Families says which addresses are used and which are tried first.
	Families Families

	// LocalNames and LocalAddrs are ours: MX hosts that are not more preferred than ourselves are not used
	// (RFC 5321 5.1). Static routes and the smart host are not looked at.
	LocalNames []string
	LocalAddrs []netip.Addr
	// DenyPrefixes are destinations never delivered to. AllowPrefixes are exceptions from the built-in
	// refusal of loopback, private, link-local, multicast and other addresses that are not public;
	// DenyPrefixes wins. Next hops that the operator named are not looked at.
	DenyPrefixes, AllowPrefixes []netip.Prefix

	// Dial opens the connections to servers, network "udp" or "tcp"; nil: sockets. One for "udp" must give each question a source port that cannot be guessed.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now tells the time for everything kept in memory; nil: time.Now.
	Now func() time.Time
}

// Families says which addresses of a host are used, and which are tried first.
type Families uint8

const (
	IPv4First Families = iota // both; the default, since most receivers know senders by their IPv4 address
	IPv6First
	IPv4Only
	IPv6Only
)

const (
	defaultTimeout      = 3 * time.Second
	defaultAttempts     = 2
	defaultMaxQueries   = 512
	defaultMinTTL       = 30 * time.Second
	defaultMaxTTL       = 24 * time.Hour
	defaultNegativeTTL  = 15 * time.Minute
	defaultFailureTTL   = 5 * time.Second
	defaultMaxStale     = 24 * time.Hour
	defaultCacheEntries = 100_000
	defaultPort         = 25
)

// withDefaults returns c with every zero replaced by what it stands for.
func (c Config) withDefaults() Config {
	setDefault(&c.Timeout, defaultTimeout)
	setDefault(&c.Attempts, defaultAttempts)
	setDefault(&c.MaxQueries, defaultMaxQueries)
	setDefault(&c.MinTTL, defaultMinTTL)
	setDefault(&c.MaxTTL, defaultMaxTTL)
	setDefault(&c.NegativeTTL, defaultNegativeTTL)
	setDefault(&c.FailureTTL, defaultFailureTTL)
	setDefault(&c.CacheEntries, defaultCacheEntries)
	if c.MaxStale == 0 {
		c.MaxStale = defaultMaxStale
	}
	c.MaxStale = max(c.MaxStale, 0)
	c.MaxTTL = max(c.MaxTTL, c.MinTTL)
	c.NegativeTTL = max(c.NegativeTTL, c.MinTTL)
	if c.Port == 0 {
		c.Port = defaultPort
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
