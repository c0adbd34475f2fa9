package resolver

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"github.com/posthaste-mta/posthaste/resolver/resolvertest"
)

// domainsOf serves n domains d0.test, d1.test, ... of 2 MX hosts each, a pair for 10 domains.
func domainsOf(b *testing.B, cfg Config) *Resolver {
	s := resolvertest.Start(b, "")
	s.SetGenerator(func(name string, qtype uint16) ([]dns.RR, bool) {
		var n int
		if _, err := fmt.Sscanf(name, "d%d.test", &n); err == nil {
			if qtype != dns.TypeMX {
				return nil, true
			}
			return []dns.RR{
				resolvertest.MX(name, 10, fmt.Sprintf("mx1.s%d.test", n/10)),
				resolvertest.MX(name, 10, fmt.Sprintf("mx2.s%d.test", n/10)),
			}, true
		}
		if qtype != dns.TypeA {
			return nil, true
		}
		return []dns.RR{resolvertest.Address(name, netip.AddrFrom4([4]byte{192, 0, 2, 1}))}, true
	})
	cfg.Servers = []string{s.Addr()}
	r, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close() })
	return r
}

func BenchmarkRouteCached(b *testing.B) {
	for name, domain := range map[string]string{"ties": "d1.test", "implicit": "mx1.s1.test"} {
		b.Run(name, func(b *testing.B) {
			r := domainsOf(b, Config{})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Route(b.Context(), domain); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The server runs in the same process: its share is in the figure.
func BenchmarkRouteAsked(b *testing.B) {
	r := domainsOf(b, Config{})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		if _, err := r.Route(b.Context(), fmt.Sprintf("d%d.test", i)); err != nil {
			b.Fatal(err)
		}
	}
}

// A domain whose answers are all in the cache, but not its route.
func BenchmarkRoutePlanned(b *testing.B) {
	r := domainsOf(b, Config{})
	if _, err := r.Route(b.Context(), "d1.test"); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if pl, err := r.newPlanner(b.Context(), r.currentTable(), nil).plan("d1.test"); err != nil || pl.failure != nil {
			b.Fatal(err, pl.failure)
		}
	}
}

func BenchmarkServer(b *testing.B) {
	z, err := resolvertest.ParseZone("example.net MX 10 mx.example.net")
	if err != nil {
		b.Fatal(err)
	}
	query, err := packQuery(question{"example.net", dns.TypeMX}, 1, true, false)
	if err != nil {
		b.Fatal(err)
	}
	out := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if len(z.Respond(query, out, false)) != 1 {
			b.Fatal("no answer")
		}
	}
}
