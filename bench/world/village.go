package world

import (
	"fmt"
	"time"
)

// Village returns the sites of `posthaste up`: one well-known domain for each manner, and the
// site that captures the mail for every other domain.
func Village() (sites []Site, catchAll *Site) {
	named := func(domain string, m Manner) {
		sites = append(sites, Site{
			Hosts:   []string{"mx1." + domain, "mx2." + domain},
			Domains: []string{domain},
			Manner:  m,
		})
	}
	named("ok.test", Manner{StartTLS: true})
	named("greylist.test", Manner{Greylist: 5 * time.Second})
	named("slow.test", Manner{Delay: time.Second})
	named("defer.test", Manner{TempFail: 1})
	named("reject.test", Manner{Reject: 1})
	named("flaky.test", Manner{Drop: 0.4, TempFail: 0.3})
	named("full.test", Manner{Full: 1})
	named("nullmx.test", Manner{DNS: DNSNullMX})
	named("nxdomain.test", Manner{DNS: DNSMissing})
	named("servfail.test", Manner{DNS: DNSServfail})
	return sites, &Site{Hosts: []string{"capture.test"}}
}

// Town returns sites for a benchmark: domains named TownDomain(0) to TownDomain(domains-1), spread in
// turn over the given number of sites with hostsEach MX hosts each, all with manner m.
func Town(domains, sites, hostsEach int, m Manner) []Site {
	sites = max(1, min(sites, domains))
	town := make([]Site, sites)
	for i := range town {
		s := &town[i]
		s.Manner = m
		for h := range max(1, hostsEach) {
			s.Hosts = append(s.Hosts, fmt.Sprintf("mx%d.site%d.bench.test", h+1, i))
		}
	}
	for d := range domains {
		s := &town[d%sites]
		s.Domains = append(s.Domains, TownDomain(d))
	}
	return town
}

// TownDomain is the name of the n-th domain of a Town.
func TownDomain(n int) string { return fmt.Sprintf("d%d.bench.test", n) }
