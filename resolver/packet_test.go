package resolver

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func addrs(s ...string) []netip.Addr {
	var out []netip.Addr
	for _, a := range s {
		out = append(out, mustAddr(a))
	}
	return out
}

// rr reads records in the form of a zone file.
func rr(t testing.TB, lines ...string) []dns.RR {
	t.Helper()
	var out []dns.RR
	for _, l := range lines {
		r, err := dns.NewRR(l)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

const soa = ". 900 IN SOA ns. admin. 1 2 3 4 60"

func TestEvaluate(t *testing.T) {
	mx := question{"example.net", dns.TypeMX}
	for _, c := range []struct {
		name      string
		q         question
		rcode     int
		answer    []string
		authority []string
		want      string
		next      string
		err       error
		ttl       time.Duration
	}{
		{name: "records", q: mx, answer: []string{"example.net. 60 MX 10 A.example.", "example.net. 50 MX 5 b.example."},
			want: "5 b.example, 10 a.example", ttl: 50 * time.Second},
		{name: "twice the same", q: mx, answer: []string{"example.net. 60 MX 10 a.example.", "example.net. 60 MX 10 A.EXAMPLE."},
			want: "10 a.example", ttl: time.Minute},
		{name: "alias", q: mx, answer: []string{"example.net. 10 CNAME b.example.", "b.example. 60 MX 5 mx.b.example."},
			want: "5 mx.b.example via b.example", ttl: 10 * time.Second},
		{name: "records before the alias", q: mx, answer: []string{"b.example. 60 MX 5 mx.b.example.", "example.net. 10 CNAME b.example."},
			want: "5 mx.b.example via b.example", ttl: 10 * time.Second},
		{name: "records of another", q: mx, answer: []string{"evil.example. 60 MX 5 mx.evil.example."}, authority: []string{soa},
			want: "no such record", ttl: time.Minute},
		{name: "records of another type", q: mx, answer: []string{"example.net. 60 A 192.0.2.1"}, authority: []string{soa},
			want: "no such record", ttl: time.Minute},
		{name: "records of another class", q: mx, answer: []string{"example.net. 60 CH MX 5 mx.evil.example."}, authority: []string{soa},
			want: "no such record", ttl: time.Minute},
		{name: "no record, no SOA", q: mx, want: "no such record"},
		{name: "no name", q: mx, rcode: dns.RcodeNameError, authority: []string{soa}, want: "no such name", ttl: time.Minute},
		{name: "alias to no name", q: mx, rcode: dns.RcodeNameError, answer: []string{"example.net. 10 CNAME b.example."},
			authority: []string{soa}, want: "no such name via b.example", ttl: 10 * time.Second},
		{name: "alias without its target", q: mx, answer: []string{"example.net. 10 CNAME b.example."}, next: "b.example"},
		{name: "alias without records", q: mx, answer: []string{"example.net. 10 CNAME b.example."}, authority: []string{soa},
			want: "no such record via b.example", ttl: 10 * time.Second},
		{name: "circle", q: mx, answer: []string{"example.net. 10 CNAME b.example.", "b.example. 10 CNAME example.net."}, err: errAliasChain},
		{name: "alias of itself", q: mx, answer: []string{"example.net. 10 CNAME example.net."}, err: errAliasChain},
		{name: "TTL with the highest bit", q: mx, answer: []string{"example.net. 2147483648 MX 5 b.example."}, want: "5 b.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: c.rcode, RecursionAvailable: true}}
			m.Answer, m.Ns = rr(t, c.answer...), rr(t, c.authority...)
			a, next, err := evaluate(c.q, m)
			if !errors.Is(err, c.err) || next != c.next {
				t.Fatalf("got next %q, %v; want %q, %v", next, err, c.next, c.err)
			}
			if err == nil && next == "" && (a.text() != c.want || a.ttl != c.ttl) {
				t.Errorf("got %s for %v; want %s for %v", a.text(), a.ttl, c.want, c.ttl)
			}
		})
	}
}

// FuzzAnswer feeds whatever comes over the wire to the reading of answers: it must end soon, keep little,
// and let nothing through that is not a name.
func FuzzAnswer(f *testing.F) {
	const id = 4711
	for _, q := range []question{{"example.net", dns.TypeMX}, aQuestion, {"example.net", dns.TypeAAAA}} {
		for _, answer := range [][]string{
			{"example.net. 60 MX 10 mx.example.net.", "example.net. 60 A 192.0.2.1", "example.net. 60 AAAA 2001:db8::1"},
			{"example.net. 60 CNAME a.example.", "a.example. 60 CNAME b.example.", "b.example. 60 MX 0 ."},
			nil,
		} {
			m := &dns.Msg{MsgHdr: dns.MsgHdr{Id: id, Response: true, RecursionAvailable: true}, Compress: true}
			m.SetQuestion("example.net.", q.qtype)
			m.Id, m.Response = id, true
			m.Answer, m.Ns = rr(f, answer...), rr(f, soa)
			m.SetEdns0(udpSize, true)
			b, err := m.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b, q.qtype)
			f.Add(b[:len(b)/2], q.qtype)
		}
	}
	f.Fuzz(func(t *testing.T, packet []byte, qtype uint16) {
		q := question{"example.net", qtype}
		m, err := readAnswer(packet, id, q)
		if err != nil {
			return
		}
		if binary.BigEndian.Uint16(packet) != id || !answers(m, q) {
			t.Fatal("took an answer to another question")
		}
		a, next, err := evaluate(q, m)
		if err != nil {
			return
		}
		if len(a.mx) > maxMXRecords || len(a.addrs) > maxAddressesIn || len(a.aliases) > maxAliases || a.ttl < 0 {
			t.Fatalf("no bound holds: %+v", a)
		}
		if a.outcome == found && next == "" && len(a.mx)+len(a.addrs) == 0 {
			t.Fatal("found nothing")
		}
		p := planner{cfg: &Config{}}
		for _, c := range p.candidates(a.mx) {
			if checkName(c.name) != nil {
				t.Fatalf("%q is let through", c.name)
			}
		}
		_ = a.text()
	})
}
