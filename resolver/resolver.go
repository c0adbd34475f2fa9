// Package resolver finds where the mail of a domain goes, and remembers it.
//
// A call of Route goes this way:
//
//	resolver.go   Route: a finished plan from the cache, or a new one
//	planner.go    plan: the order of the rules
//	routes.go     static routes and the smart host
//	mx.go         MX records, the domain's own addresses, loops to ourselves
//	addresses.go  the addresses of the hosts
//	reach.go      addresses that must not be delivered to
//	site.go       the name of the receiving system
//	cache.go      answers kept; one question at a time for each name and type; stale ones when servers fail
//	transport.go  which server is asked, and what next when it does not help
//	wire.go       one question by UDP or TCP
//	packet.go     does the packet belong to the question; answer.go: what does it say
//	plan.go       the plan as one caller gets it, ties shuffled
//
// Explain in explain.go goes the same way and tells each step. What policy wants to know of the DNS it asks
// by the Lookup methods of lookup.go, which have a cache of their own in front of the same transport.
package resolver

import (
	"context"
	"net/netip"
	"slices"
	"sync"
)

// Resolver finds routes. It is safe for concurrent use.
type Resolver struct {
	cfg     Config
	reach   reach
	cache   *cache
	lookups *cache // what the Lookup methods have asked
	metrics *counters

	mu    sync.Mutex
	table *routeTable
	plans *lru[string, *plan]
}

// New returns a Resolver. It fails when a route, the smart host or a server cannot be understood.
// Close it after use.
func New(cfg Config) (*Resolver, error) {
	cfg = cfg.withDefaults()
	m := new(counters)
	t, err := newTransport(&cfg, m)
	if err != nil {
		return nil, err
	}
	return newWith(cfg, t, m)
}

// newWith returns a Resolver that gets its answers from a.
func newWith(cfg Config, a asker, m *counters) (*Resolver, error) {
	table, err := newRouteTable(cfg.Routes, cfg.SmartHost)
	if err != nil {
		return nil, err
	}
	cfg.LocalNames = slices.Clone(cfg.LocalNames)
	for i, n := range cfg.LocalNames {
		cfg.LocalNames[i] = lower(n)
	}
	cfg.LocalAddrs = slices.Clone(cfg.LocalAddrs)
	for i, a := range cfg.LocalAddrs {
		cfg.LocalAddrs[i] = a.Unmap().WithZone("")
	}
	r := &Resolver{
		cfg: cfg, metrics: m, table: table,
		reach: reach{deny: unmapped(cfg.DenyPrefixes), allow: unmapped(cfg.AllowPrefixes)},
		plans: newLRU[string, *plan](cfg.CacheEntries),
	}
	r.cache = newCache(a, &r.cfg, m)
	r.lookups = newCache(a, &r.cfg, m)
	return r, nil
}

// unmapped returns prefixes with IPv4 ones that are dressed as IPv6 undressed, as all addresses are.
func unmapped(prefixes []netip.Prefix) []netip.Prefix {
	out := slices.Clone(prefixes)
	for i, p := range out {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			out[i] = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
	}
	return out
}

// Close ends all lookups in flight and waits for them. Route fails temporarily afterwards, but for what is
// cached.
func (r *Resolver) Close() error {
	r.cache.close()
	r.lookups.close()
	return nil
}

// SetRoutes replaces the static routes and the smart host; finished routes are forgotten, DNS
// answers are kept. On error nothing has changed.
func (r *Resolver) SetRoutes(routes map[string]string, smartHost string) error {
	table, err := newRouteTable(routes, smartHost)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.table = table
	r.plans.clear()
	return nil
}

// Route returns where the mail of domain goes: a name in lower case as A-labels, or an address
// literal in brackets. The error is a *Failure.
func (r *Resolver) Route(ctx context.Context, domain string) (Route, error) {
	domain = lower(domain)
	now := r.cfg.Now()
	r.mu.Lock()
	pl, ok := r.plans.get(domain)
	table := r.table
	r.mu.Unlock()
	if ok && now.Before(pl.expires) {
		r.metrics.routeHits.Add(1)
		return pl.give(true)
	}
	r.metrics.routeMisses.Add(1)
	pl, err := r.newPlanner(ctx, table, nil).plan(domain)
	if err != nil {
		return Route{}, unanswered("the route for "+domain, err)
	}
	r.keep(domain, pl, table)
	return pl.give(false)
}

// keep stores a plan, unless the routes it was made by have been replaced meanwhile, or the domain is
// junk, which is as quick to find out again.
func (r *Resolver) keep(domain string, pl *plan, table *routeTable) {
	if !isLiteral(domain) && checkName(domain) != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.table == table {
		r.plans.put(domain, pl, pl.weight())
	}
}

func (r *Resolver) newPlanner(ctx context.Context, table *routeTable, t *trace) *planner {
	return &planner{cfg: &r.cfg, cache: r.cache, table: table, reach: r.reach, trace: t, ctx: ctx}
}

func (r *Resolver) currentTable() *routeTable {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.table
}

// Metrics returns a snapshot of the counters.
func (r *Resolver) Metrics() Metrics {
	m := r.metrics.snapshot()
	m.CachedAnswers = r.cache.len() + r.lookups.len()
	r.mu.Lock()
	m.CachedRoutes = r.plans.len()
	r.mu.Unlock()
	return m
}
