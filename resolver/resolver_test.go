package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/posthaste-mta/posthaste/resolver/resolvertest"
)

// newTestResolver returns a resolver that asks z without sockets.
func newTestResolver(t testing.TB, z *resolvertest.Zone, cfg Config) *Resolver {
	t.Helper()
	cfg.Servers, cfg.Dial = []string{first}, z.Dial
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// Over real sockets, with real time.
func TestRouteOverSockets(t *testing.T) {
	s := resolvertest.Start(t, `
example.net     MX 10 mx1.example.net
example.net     MX 20 mx2.example.net
mx1.example.net A  192.0.2.1
mx2.example.net TRUNCATED A
mx2.example.net A  192.0.2.2
`)
	r, err := New(Config{Servers: []string{s.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 2 {
		route, err := r.Route(t.Context(), "example.net")
		got := describe(route, err)
		want := "mx (mx1|mx2).example.net\n  10 mx1.example.net 192.0.2.1:25\n  20 mx2.example.net 192.0.2.2:25\n"
		if strings.Replace(got, ", cached", "", 1) != want {
			t.Errorf("got %s", got)
		}
	}
	m := r.Metrics()
	if m.Queries != 6 || m.TCPQueries != 1 || m.RouteHits != 1 || m.RouteMisses != 1 || m.CacheMisses != 5 ||
		m.CachedAnswers != 5 || m.CachedRoutes != 1 {
		t.Errorf("metrics: %+v", m)
	}
	var n uint64
	for _, c := range m.LookupSeconds.Counts {
		n += c
	}
	if n != 5 || m.LookupSeconds.Sum <= 0 || len(m.LookupSeconds.Counts) != len(m.LookupSeconds.Bounds)+1 {
		t.Errorf("durations: %+v", m.LookupSeconds)
	}
}

// A server that is not there: the kernel says so, and the next one is asked.
func TestClosedPort(t *testing.T) {
	gone := resolvertest.Start(t, "")
	gone.Close()
	s := resolvertest.Start(t, "example.net A 192.0.2.1")
	r, err := New(Config{Servers: []string{gone.Addr(), s.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Route(t.Context(), "example.net"); err != nil {
		t.Error(err)
	}
}

// Hosts of the same preference are tried in a different order each time, those before and after
// them are not moved; a host's addresses are turned.
func TestTiesAreShuffled(t *testing.T) {
	z := parseZone(t, `
example.net MX 5 first.example.net
example.net MX 10 a.example.net
example.net MX 10 b.example.net
example.net MX 10 c.example.net
example.net MX 20 last.example.net
*.example.net A 192.0.2.1
*.example.net A 192.0.2.2
*.example.net AAAA 2001:db8::1
`)
	r := newTestResolver(t, z, Config{})
	orders, turns := make(map[string]int), make(map[netip.AddrPort]int)
	for range 600 {
		route, err := r.Route(t.Context(), "example.net")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, h := range route.Hosts {
			names = append(names, strings.TrimSuffix(h.Name, ".example.net"))
			if len(h.Addrs) != 3 || !h.Addrs[2].Addr().Is6() {
				t.Fatalf("addresses: %v", h.Addrs)
			}
			turns[h.Addrs[0]]++
		}
		orders[strings.Join(names, " ")]++
	}
	if len(orders) != 6 || len(turns) != 2 {
		t.Errorf("orders: %v, turns: %v", orders, turns)
	}
	for o, n := range orders {
		if !strings.HasPrefix(o, "first ") || !strings.HasSuffix(o, " last") || n < 30 {
			t.Errorf("order %s came %d times of 600", o, n)
		}
	}
}

func TestSetRoutes(t *testing.T) {
	z := parseZone(t, "example.net MX 10 mx.example.net\nmx.example.net A 192.0.2.1")
	r := newTestResolver(t, z, Config{})
	site := func() string {
		t.Helper()
		route, err := r.Route(t.Context(), "example.net")
		if err != nil {
			t.Fatal(err)
		}
		return route.Site
	}
	before := site()
	if err := r.SetRoutes(map[string]string{"example.net": "["}, ""); err == nil || site() != before {
		t.Errorf("bad routes: %v, site %s", err, site())
	}
	if err := r.SetRoutes(map[string]string{"example.net": "10.0.0.1:2525"}, ""); err != nil || site() != "[10.0.0.1]:2525" {
		t.Errorf("new routes: %v, site %s", err, site())
	}
	asked := z.Asked()
	if err := r.SetRoutes(nil, ""); err != nil || site() != before || z.Asked() != asked {
		t.Errorf("back again: %v, site %s; asked %d more", err, site(), z.Asked()-asked)
	}
}

// A caller who gives up gets a temporary failure that is nobody else's.
func TestRouteOfACallerWhoGivesUp(t *testing.T) {
	z := parseZone(t, "example.net MX 10 mx.example.net\nmx.example.net A 192.0.2.1")
	r := newTestResolver(t, z, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Route(ctx, "example.net")
	var f *Failure
	if !errors.As(err, &f) || !f.Status.Temporary() || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := r.Route(t.Context(), "example.net"); err != nil {
		t.Errorf("the next: %v", err)
	}
	r.Close()
	if _, err := r.Route(t.Context(), "example.net"); err != nil {
		t.Errorf("what is cached after Close: %v", err)
	}
	if _, err := r.Route(t.Context(), "example.org"); !errors.As(err, &f) || !f.Status.Temporary() || !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// AD counts when all that led to the hosts had it.
func TestAuthentic(t *testing.T) {
	z := parseZone(t, "example.net MX 10 mx.example.net\nmx.example.net A 192.0.2.1\nplain.example A 192.0.2.2")
	z.SetAuthentic(true)
	r := newTestResolver(t, z, Config{})
	for _, domain := range []string{"example.net", "plain.example"} {
		if route, err := r.Route(t.Context(), domain); err != nil || !route.Authentic || !route.Hosts[0].Authentic {
			t.Errorf("%s: %+v, %v", domain, route, err)
		}
	}
	z.SetTamper(func(query, reply *dns.Msg, tcp bool) [][]byte {
		reply.AuthenticatedData = query.Question[0].Qtype == dns.TypeMX
		return [][]byte{pack(t, reply)}
	})
	r = newTestResolver(t, z, Config{})
	if route, err := r.Route(t.Context(), "example.net"); err != nil || !route.Authentic || route.Hosts[0].Authentic {
		t.Errorf("MX only: %+v, %v", route, err)
	}
}

// The clock of everything kept is the one handed in.
func TestInjectedClock(t *testing.T) {
	z := parseZone(t, "example.net 60 MX 10 mx.example.net\nmx.example.net 60 A 192.0.2.1")
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	r := newTestResolver(t, z, Config{Now: func() time.Time { return now }})
	route, err := r.Route(t.Context(), "example.net")
	if err != nil || !route.Expires.Equal(now.Add(time.Minute)) {
		t.Errorf("expires %v, %v", route.Expires, err)
	}
	now = now.Add(59 * time.Second)
	if route, err = r.Route(t.Context(), "example.net"); err != nil || !route.Cached {
		t.Errorf("after 59 s: %+v, %v", route, err)
	}
	now = now.Add(time.Second)
	if route, err = r.Route(t.Context(), "example.net"); err != nil || route.Cached {
		t.Errorf("after 60 s: %+v, %v", route, err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	z := parseZone(t, "*.example MX 10 mx.example.net\nmx.example.net A 192.0.2.1")
	r := newTestResolver(t, z, Config{CacheEntries: 10})
	for i := range 30 {
		if _, err := r.Route(t.Context(), fmt.Sprintf("d%d.example", i)); err != nil {
			t.Fatal(err)
		}
		r.Route(t.Context(), fmt.Sprintf("junk %d", i))
	}
	if m := r.Metrics(); m.CachedAnswers != 10 || m.CachedRoutes != 10 {
		t.Errorf("%d answers and %d routes cached", m.CachedAnswers, m.CachedRoutes)
	}
}

func TestBadConfig(t *testing.T) {
	for _, cfg := range []Config{
		{Servers: []string{"dns.example"}},
		{Servers: make([]string, 9)},
		{Routes: map[string]string{"example.net": "a b"}},
		{SmartHost: "[mail"},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}
