package resolvertest

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const zone = `
# a comment
example.net      60 MX 10 mx1.example.net   # another
Example.NET.        MX 20 mx2.example.net.
mx1.example.net     A  192.0.2.1
www.example.net     CNAME example.net
*.wild.test         A  192.0.2.2
deep.tree.test      A  192.0.2.3
broken.test         SERVFAIL
half.test           A 192.0.2.4
half.test           REFUSED AAAA
fat.test            TRUNCATED
fat.test            A 192.0.2.5
gone.test           NXDOMAIN
lost.test           CNAME nowhere.test
`

// ask returns the answer in short, as the standard client gets it.
func ask(t *testing.T, s *Server, network, name string, qtype uint16) string {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), qtype)
	client := dns.Client{Net: network}
	reply, _, err := client.Exchange(m, s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	out := []string{dns.RcodeToString[reply.Rcode]}
	if reply.Truncated {
		out = append(out, "TC")
	}
	for _, rr := range reply.Answer {
		out = append(out, strings.Join(strings.Fields(rr.String()), " "))
	}
	return strings.Join(out, "; ")
}

func TestServer(t *testing.T) {
	s := Start(t, zone)
	for _, c := range []struct {
		network, name string
		qtype         uint16
		want          string
	}{
		{"udp", "example.net", dns.TypeMX, "NOERROR; example.net. 60 IN MX 10 mx1.example.net.; example.net. 300 IN MX 20 mx2.example.net."},
		{"udp", "EXAMPLE.net", dns.TypeA, "NOERROR"},
		{"tcp", "mx1.example.net", dns.TypeA, "NOERROR; mx1.example.net. 300 IN A 192.0.2.1"},
		{"udp", "www.example.net", dns.TypeMX, "NOERROR; www.example.net. 300 IN CNAME example.net.; example.net. 60 IN MX 10 mx1.example.net.; example.net. 300 IN MX 20 mx2.example.net."},
		{"udp", "a.b.wild.test", dns.TypeA, "NOERROR; a.b.wild.test. 300 IN A 192.0.2.2"},
		{"udp", "tree.test", dns.TypeA, "NOERROR"},
		{"udp", "broken.test", dns.TypeA, "SERVFAIL"},
		{"udp", "half.test", dns.TypeA, "NOERROR; half.test. 300 IN A 192.0.2.4"},
		{"udp", "half.test", dns.TypeAAAA, "REFUSED"},
		{"udp", "fat.test", dns.TypeA, "NOERROR; TC"},
		{"tcp", "fat.test", dns.TypeA, "NOERROR; fat.test. 300 IN A 192.0.2.5"},
		{"udp", "gone.test", dns.TypeA, "NXDOMAIN"},
		{"udp", "nowhere.test", dns.TypeA, "NXDOMAIN"},
		{"udp", "lost.test", dns.TypeA, "NXDOMAIN; lost.test. 300 IN CNAME nowhere.test."},
	} {
		if got := ask(t, s, c.network, c.name, c.qtype); got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.name, dns.TypeToString[c.qtype], got, c.want)
		}
	}
	if s.Asked() != 14 {
		t.Errorf("asked %d", s.Asked())
	}
}

func TestZoneChangesWhileServed(t *testing.T) {
	s := Start(t, "example.net A 192.0.2.1")
	if err := s.Set("example.net A 192.0.2.9"); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s, "udp", "example.net", dns.TypeA); got != "NOERROR; example.net. 300 IN A 192.0.2.9" {
		t.Error(got)
	}
	s.SetGenerator(func(name string, qtype uint16) ([]dns.RR, bool) {
		var n int
		if _, err := fmt.Sscanf(name, "d%d.test", &n); err != nil || qtype != dns.TypeA {
			return nil, err == nil
		}
		return []dns.RR{Address(name, netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}))}, true
	})
	for name, want := range map[string]string{
		"d7.test":     "NOERROR; d7.test. 300 IN A 192.0.2.7",
		"x.test":      "NXDOMAIN",
		"example.net": "NOERROR; example.net. 300 IN A 192.0.2.9",
	} {
		if got := ask(t, s, "udp", name, dns.TypeA); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestBadZone(t *testing.T) {
	for _, text := range []string{"example.net", "example.net 60", "example.net MX", "example.net A nowhere", "example.net SERVFAIL WHAT", "example.net WHAT 1"} {
		if _, err := ParseZone("a.test A 192.0.2.1\n" + text); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
