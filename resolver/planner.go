package resolver

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// planner works out the plan for one domain. Its methods return an error only when the plan could
// not be finished (the context ended, the resolver was closed); such a plan is not kept.
type planner struct {
	cfg   *Config
	cache *cache
	table *routeTable
	reach reach
	trace *trace // nil: nobody wants to know

	ctx     context.Context
	expires time.Time // the earliest end of all answers used
	asked   bool      // some answer was not in the cache
	stale   bool      // some answer was past its end
}

// plan returns the plan for domain: by a static route or the smart host, for an address literal by
// the address, else by DNS.
func (p *planner) plan(domain string) (*plan, error) {
	p.expires = p.cfg.Now().Add(p.cfg.MaxTTL)
	addr, isAddr := parseLiteral(domain)
	if isAddr {
		domain = literal(addr)
	} else if err := checkName(domain); err != nil {
		return p.fail(badDomain("%.100q is not a valid domain name", domain)), nil
	}
	if hop, pattern, ok := p.table.match(domain); ok {
		return p.byRoute(domain, hop, pattern)
	}
	p.trace.rule("no static route and no smart host for %s", domain)
	if isAddr {
		return p.byLiteral(domain, addr), nil
	}
	return p.byMX(target{domain: domain, port: p.cfg.Port})
}

// byRoute returns the plan for a domain with a configured next hop.
func (p *planner) byRoute(domain string, hop NextHop, pattern string) (*plan, error) {
	kind, by := KindStatic, fmt.Sprintf("static route %s", pattern)
	if pattern == "" {
		kind, by = KindSmartHost, "smart host"
	}
	p.trace.rule("%s leads to %s", by, hop)
	to := target{domain: hop.Name, port: hop.Port, trusted: true, lmtp: hop.LMTP}
	if to.port == 0 {
		to.port = p.cfg.Port
	}
	var pl *plan
	var err error
	switch {
	case hop.Socket != "":
		pl = p.leadToSocket(hop.Socket)
	case hop.Addr.IsValid():
		pl = p.leadTo(to, hop.Addr)
	case hop.Direct || isLocalhost(hop.Name):
		pl, err = p.byAddress(to)
	default:
		pl, err = p.byMX(to)
	}
	if err != nil {
		return nil, err
	}
	if pl.failure != nil {
		return p.fail(misrouted(domain, hop, pl.failure)), nil
	}
	pl.route.Domain, pl.route.Kind, pl.route.LMTP = domain, kind, hop.LMTP
	return pl, nil
}

// byLiteral returns the plan for an address literal.
func (p *planner) byLiteral(domain string, addr netip.Addr) *plan {
	p.trace.rule("%s is an address literal: delivered to that address", domain)
	if p.isLocal(addr) {
		return p.fail(loop(domain))
	}
	if why := p.reach.refusal(addr); why != "" {
		return p.fail(permanent(550, 7, 1, "mail for %s must not be delivered: the address is refused (%s)", domain, why))
	}
	pl := p.leadTo(target{domain: domain, port: p.cfg.Port}, addr)
	pl.route.Kind = KindLiteral
	return pl
}

// lead returns a plan that leads to hosts, of the site made up by names.
func (p *planner) lead(to target, names []string, hosts []Host) *plan {
	site := siteName(names)
	switch {
	case to.lmtp:
		site = fmt.Sprintf("lmtp:%s:%d", site, to.port) // the same host may be a site by SMTP, too
	case to.port != p.cfg.Port:
		site += fmt.Sprintf(":%d", to.port)
	}
	return &plan{expires: p.expires, route: Route{
		Domain: to.domain, Site: site, Hosts: hosts,
		Cached: !p.asked, Stale: p.stale, Expires: p.expires,
	}}
}

// leadTo returns a plan that leads to one address.
func (p *planner) leadTo(to target, addr netip.Addr) *plan {
	name := literal(addr)
	return p.lead(to, []string{name}, []Host{{Name: name, Addrs: []netip.AddrPort{netip.AddrPortFrom(addr, to.port)}}})
}

func (p *planner) fail(f *Failure) *plan { return &plan{failure: f, expires: p.expires} }

// lookup answers q and notes how.
func (p *planner) lookup(name string, qtype uint16) (result, error) {
	q := question{name, qtype}
	res, err := p.cache.lookup(p.ctx, q)
	if err == nil {
		p.note(q, res)
		p.until(res.expires)
	}
	return res, err
}

func (p *planner) note(q question, res result) {
	p.asked = p.asked || !res.cached
	p.stale = p.stale || res.stale
	p.trace.query(q, res, p.cfg.Now())
}

func (p *planner) until(t time.Time) {
	if t.Before(p.expires) {
		p.expires = t
	}
}

// target is what a plan is made for: a mail domain, or a next hop.
type target struct {
	domain string
	port   uint16
	// trusted tells that the operator named it: where its records lead is not held against the rules for
	// strangers' records.
	trusted bool
	lmtp    bool
}

// families are the record types to ask for, in the order in which addresses are tried.
var families = [...][]uint16{
	IPv4First: {dns.TypeA, dns.TypeAAAA},
	IPv6First: {dns.TypeAAAA, dns.TypeA},
	IPv4Only:  {dns.TypeA},
	IPv6Only:  {dns.TypeAAAA},
}
