package resolvertest

import (
	"net/netip"

	"github.com/miekg/dns"
)

// TB is the part of testing.TB that Start needs.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Start serves the zone for the length of a test.
func Start(tb TB, zone string) *Server {
	tb.Helper()
	z, err := ParseZone(zone)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	s, err := Listen("127.0.0.1:0", z)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// MX returns a record, for Generators.
func MX(name string, preference uint16, host string) dns.RR {
	return &dns.MX{Hdr: header(name, dns.TypeMX), Preference: preference, Mx: dns.Fqdn(host)}
}

// Address returns the A or AAAA record of addr, for Generators.
func Address(name string, addr netip.Addr) dns.RR {
	if addr.Is4() {
		return &dns.A{Hdr: header(name, dns.TypeA), A: addr.AsSlice()}
	}
	return &dns.AAAA{Hdr: header(name, dns.TypeAAAA), AAAA: addr.AsSlice()}
}

func header(name string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: dns.Fqdn(name), Rrtype: rrtype, Class: dns.ClassINET, Ttl: defaultTTL}
}
