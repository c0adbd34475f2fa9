package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/miekg/dns"
)

// transport asks recursive servers: UDP first, TCP for what does not fit, the next server when one
// does not help.
type transport struct {
	servers  []*server
	timeout  time.Duration
	attempts int
	dnssec   bool
	metrics  *counters
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
}

// maxServers bounds how long a question can go round.
const maxServers = 8

func newTransport(cfg *Config, m *counters) (*transport, error) {
	addrs, err := serverAddresses(cfg.Servers)
	if err != nil {
		return nil, err
	}
	t := &transport{
		timeout: cfg.Timeout, attempts: cfg.Attempts, dnssec: cfg.DNSSEC, metrics: m,
		dial: cfg.Dial,
	}
	for _, a := range addrs {
		t.servers = append(t.servers, &server{addr: a})
	}
	return t, nil
}

// serverAddresses returns the servers to ask as "address:port". Without any, it is those of
// /etc/resolv.conf, and without these the one on this machine, as resolv.conf(5) has it.
func serverAddresses(servers []string) ([]string, error) {
	port := "53"
	if len(servers) == 0 {
		conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("resolver: /etc/resolv.conf: %w", err)
		}
		if servers = []string{"127.0.0.1", "::1"}; err == nil && len(conf.Servers) > 0 {
			servers = conf.Servers
		}
	}
	if len(servers) > maxServers {
		return nil, fmt.Errorf("resolver: %d servers, the most is %d", len(servers), maxServers)
	}
	var addrs []string
	for _, s := range servers {
		host, p, err := net.SplitHostPort(s)
		if err != nil {
			host, p = s, port
		}
		if _, err := netip.ParseAddr(host); err != nil {
			return nil, fmt.Errorf("resolver: server %q is not an address or address:port", s)
		}
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return nil, fmt.Errorf("resolver: server %q: bad port", s)
		}
		addrs = append(addrs, net.JoinHostPort(host, p))
	}
	return addrs, nil
}

// maxAsk bounds the time for one question, whatever the servers and the settings.
const maxAsk = 30 * time.Second

// ask puts q to the servers; it always ends.
func (t *transport) ask(parent context.Context, q question) *answer {
	ctx, cancel := context.WithTimeout(parent, maxAsk)
	defer cancel()
	a := t.follow(ctx, q)
	if a.outcome == failed && ctx.Err() != nil && parent.Err() == nil {
		a.err = silence(maxAsk)
	}
	return a
}

// follow puts q to the servers, and then the alias that their answer ends in, until records or their absence are known.
func (t *transport) follow(ctx context.Context, q question) *answer {
	var aliases []string
	ttl, authentic := time.Duration(1<<63-1), true
	at := q
	for range maxAliases + 1 {
		a, next, err := t.exchange(ctx, at)
		if err != nil {
			return &answer{outcome: failed, err: err, server: a.server}
		}
		aliases = append(aliases, a.aliases...)
		ttl, authentic = min(ttl, a.ttl), authentic && a.authentic
		if next == "" {
			a.aliases, a.ttl, a.authentic = aliases, ttl, authentic
			return &a
		}
		if !canBeAsked(next, q.qtype) || len(aliases) > maxAliases || next == q.name {
			break
		}
		at.name = next
	}
	return &answer{outcome: failed, err: errAliasChain}
}

// exchange returns the first answer a server has for q, as evaluate does; a.server is set in any case. The list of
// servers is gone through again only while one of them did not answer in time: an error message would be the same.
func (t *transport) exchange(ctx context.Context, q question) (a answer, next string, err error) {
	for range t.attempts {
		again := false
		for _, s := range t.order() {
			var m *dns.Msg
			if m, err = t.try(ctx, s, q); err == nil {
				a, next, err = evaluate(q, m)
			}
			a.server = s.addr
			if err == nil {
				return a, next, nil
			}
			if ctx.Err() != nil {
				return a, "", ctx.Err()
			}
			again = again || isTimeout(err)
		}
		if !again {
			break
		}
	}
	return a, "", err
}

// order returns the servers in the order to be tried: as configured, but slow ones after
// the others and dead ones last.
func (t *transport) order() []*server {
	if len(t.servers) == 1 {
		return t.servers
	}
	now := time.Now()
	fastest := time.Duration(1<<63 - 1)
	for _, s := range t.servers {
		fastest = min(fastest, s.speed(now))
	}
	ranks := make(map[*server]int, len(t.servers))
	for _, s := range t.servers {
		ranks[s] = s.rank(now, fastest, t.timeout)
	}
	order := slices.Clone(t.servers)
	slices.SortStableFunc(order, func(a, b *server) int { return ranks[a] - ranks[b] })
	return order
}

// try asks one server once, and again by TCP or without EDNS where its answer calls for that.
func (t *transport) try(ctx context.Context, s *server, q question) (*dns.Msg, error) {
	started := time.Now()
	edns := !s.plain(started)
	m, err := t.udp(ctx, s, q, edns)
	if edns && refusesEDNS(err) {
		edns = false
		if m, err = t.udp(ctx, s, q, edns); err == nil || errors.Is(err, errTruncated) {
			s.setPlain(time.Now())
		}
	}
	if errors.Is(err, errTruncated) || errors.Is(err, errFlood) {
		m, err = t.tcp(ctx, s, q, edns)
	}
	t.record(ctx, s, started, err)
	if err != nil {
		return nil, t.brief(err)
	}
	return m, nil
}

// refusesEDNS tells whether err is the answer of a server from before EDNS (RFC 6891 7).
func refusesEDNS(err error) bool {
	var rcode rcodeError
	return errors.As(err, &rcode) &&
		(rcode == dns.RcodeFormatError || rcode == dns.RcodeNotImplemented || rcode == dns.RcodeBadVers)
}

// record keeps in mind how the server did. An error message is a working server's word about the
// name; silence, junk and a closed port are about the server.
func (t *transport) record(ctx context.Context, s *server, started time.Time, err error) {
	var rcode rcodeError
	now := time.Now()
	switch {
	case err == nil:
		s.succeeded(now, now.Sub(started))
	case ctx.Err() != nil: // we gave up, not the server
	case errors.As(err, &rcode):
		t.metrics.serverFailures.Add(1)
		s.succeeded(now, now.Sub(started))
	case isTimeout(err):
		t.metrics.timeouts.Add(1)
		s.failed(now, started)
	default:
		t.metrics.serverFailures.Add(1)
		if !errors.Is(err, errLocal) {
			s.failed(now, started)
		}
	}
}

// silence is the error of a server that did not answer within so long.
type silence time.Duration

func (s silence) Error() string { return "no answer within " + time.Duration(s).String() }
func (silence) Timeout() bool   { return true }
func (silence) Temporary() bool { return true }

// brief returns err without the addresses and ports that the net package puts into it: it is read by
// people who should not have to know them.
func (t *transport) brief(err error) error {
	var op *net.OpError
	switch {
	case isTimeout(err):
		return silence(t.timeout)
	case errors.As(err, &op) && !errors.Is(err, errLocal):
		return op.Err
	}
	return err
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}
