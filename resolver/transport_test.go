package resolver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/posthaste-mta/posthaste/resolver/resolvertest"
)

// network is a few servers without sockets, by address.
type network map[string]*resolvertest.Zone

func (n network) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if z := n[address]; z != nil {
		return z.Dial(ctx, network, address)
	}
	return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ENETUNREACH}
}

func parseZone(t *testing.T, text string) *resolvertest.Zone {
	t.Helper()
	z, err := resolvertest.ParseZone(text)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

const (
	first, second = "192.0.2.53:53", "192.0.2.54:53"
	records       = "example.net A 192.0.2.1\nexample.net MX 10 mx.example.net\n"
)

var aQuestion = question{"example.net", dns.TypeA}

// newTestTransport returns a transport that asks the servers of n, first before second.
func newTestTransport(t *testing.T, n network) *transport {
	t.Helper()
	cfg := Config{Dial: n.dial, Servers: []string{first, second}[:len(n)]}.withDefaults()
	tr, err := newTransport(&cfg, new(counters))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// pack is what a server sends.
func pack(t *testing.T, m *dns.Msg) []byte {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// forged returns reply with one thing about it that is not as asked, and an address of the forger's.
func forged(reply *dns.Msg, change func(*dns.Msg)) *dns.Msg {
	m := reply.Copy()
	m.Answer = []dns.RR{resolvertest.Address("example.net", mustAddr("203.0.113.66"))}
	change(m)
	return m
}

func TestWhatDoesNotBelongIsIgnored(t *testing.T) {
	forgeries := map[string]func(*dns.Msg){
		"wrong id":        func(m *dns.Msg) { m.Id++ },
		"wrong name":      func(m *dns.Msg) { m.Question[0].Name = "example.org." },
		"longer name":     func(m *dns.Msg) { m.Question[0].Name = "a.example.net." },
		"wrong type":      func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeMX },
		"wrong class":     func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS },
		"no question":     func(m *dns.Msg) { m.Question = nil },
		"two questions":   func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) },
		"not an answer":   func(m *dns.Msg) { m.Response = false },
		"other operation": func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify },
	}
	for name, change := range forgeries {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				z := parseZone(t, records)
				z.SetTamper(func(query, reply *dns.Msg, tcp bool) [][]byte {
					time.Sleep(time.Second) // the forger is faster
					return [][]byte{pack(t, forged(reply, change)), []byte("junk"), pack(t, reply)}
				})
				tr := newTestTransport(t, network{first: z})
				a := tr.ask(t.Context(), aQuestion)
				if a.err != nil || len(a.addrs) != 1 || a.addrs[0] != mustAddr("192.0.2.1") {
					t.Errorf("got %v, %v; want the true answer", a.addrs, a.err)
				}
				if got := tr.metrics.ignored.Load(); got != 2 {
					t.Errorf("%d packets ignored, want 2", got)
				}
			})
		})
	}
}

func TestNameIsComparedWithoutCase(t *testing.T) {
	z := parseZone(t, records)
	z.SetTamper(func(query, reply *dns.Msg, tcp bool) [][]byte {
		reply.Question[0].Name = "eXample.NET."
		reply.Answer[0].Header().Name = "EXAMPLE.net."
		return [][]byte{pack(t, reply)}
	})
	if a := newTestTransport(t, network{first: z}).ask(t.Context(), aQuestion); len(a.addrs) != 1 {
		t.Errorf("got %v, %v", a.addrs, a.err)
	}
}

func TestGuessersAreAnsweredByTCP(t *testing.T) {
	z := parseZone(t, records)
	z.SetTamper(func(query, reply *dns.Msg, tcp bool) [][]byte {
		if tcp {
			return [][]byte{pack(t, reply)}
		}
		guesses := make([][]byte, 2*maxIgnored)
		for i := range guesses {
			guesses[i] = pack(t, forged(reply, func(m *dns.Msg) { m.Id += uint16(i + 1) }))
		}
		return guesses
	})
	tr := newTestTransport(t, network{first: z})
	a := tr.ask(t.Context(), aQuestion)
	if a.err != nil || a.addrs[0] != mustAddr("192.0.2.1") {
		t.Errorf("got %v, %v; want the true answer", a.addrs, a.err)
	}
	if tr.metrics.tcpQueries.Load() != 1 {
		t.Error("not asked by TCP")
	}
}

// A server that fails is left for the next one, in this very lookup.
func TestFailover(t *testing.T) {
	broken := map[string]struct {
		tamper func(t *testing.T, reply *dns.Msg) [][]byte
		took   time.Duration
	}{
		"silence":  {func(t *testing.T, reply *dns.Msg) [][]byte { return nil }, defaultTimeout},
		"servfail": {func(t *testing.T, reply *dns.Msg) [][]byte { return rcode(t, reply, dns.RcodeServerFailure) }, 0},
		"refused":  {func(t *testing.T, reply *dns.Msg) [][]byte { return rcode(t, reply, dns.RcodeRefused) }, 0},
		"too late": {func(t *testing.T, reply *dns.Msg) [][]byte {
			time.Sleep(defaultTimeout + time.Second)
			return [][]byte{pack(t, reply)}
		}, defaultTimeout},
		"cut short": {func(t *testing.T, reply *dns.Msg) [][]byte {
			b := pack(t, reply)
			return [][]byte{b[:len(b)-3]}
		}, 0},
		// The codec takes a message that ends before its records do for one without records.
		"no records where some are announced": {func(t *testing.T, reply *dns.Msg) [][]byte {
			reply.Answer, reply.Extra = nil, nil
			b := pack(t, reply)
			b[7] = 1
			return [][]byte{b}
		}, 0},
		"referral": {func(t *testing.T, reply *dns.Msg) [][]byte {
			reply.Answer, reply.RecursionAvailable, reply.Authoritative = nil, false, false
			return [][]byte{pack(t, reply)}
		}, 0},
	}
	for name, c := range broken {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad := parseZone(t, records)
				bad.SetTamper(func(query, reply *dns.Msg, tcp bool) [][]byte { return c.tamper(t, reply) })
				tr := newTestTransport(t, network{first: bad, second: parseZone(t, records)})
				start := time.Now()
				a := tr.ask(t.Context(), aQuestion)
				if a.err != nil || a.outcome != found || a.server != second {
					t.Errorf("got %s from %s, %v; want the answer of the second server", a.text(), a.server, a.err)
				}
				if took := time.Since(start); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				time.Sleep(time.Minute) // for the server that is too late
			})
		})
	}
}

func rcode(t *testing.T, reply *dns.Msg, code int) [][]byte {
	reply.Rcode, reply.Answer = code, nil
	return [][]byte{pack(t, reply)}
}

func TestUnreachableServerIsLeftAtOnce(t *testing.T) {
	n := network{first: nil, second: parseZone(t, records)}
	if a := newTestTransport(t, n).ask(t.Context(), aQuestion); a.err != nil || a.server != second {
		t.Errorf("got %v from %s", a.err, a.server)
	}
}

// A dead server is left alone for a while; then one question finds out whether it is back.
func TestDeadServerIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead, good := parseZone(t, "example.net SILENT"), parseZone(t, records)
		tr := newTestTransport(t, network{first: dead, second: good})
		for range deadAfter {
			tr.ask(t.Context(), aQuestion)
		}
		start := time.Now()
		for range 10 {
			tr.ask(t.Context(), aQuestion)
		}
		if took := time.Since(start); took != 0 || dead.Asked() != deadAfter {
			t.Errorf("10 questions took %v, the dead server got %d", took, dead.Asked())
		}

		time.Sleep(deadAtFirst)
		var askers sync.WaitGroup
		for range 10 {
			askers.Go(func() { tr.ask(t.Context(), aQuestion) })
		}
		askers.Wait()
		if got := dead.Asked() - deadAfter; got != 1 {
			t.Errorf("%d questions tried the dead server, want 1", got)
		}

		if err := dead.Set(records); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * deadAtFirst)
		if a := tr.ask(t.Context(), aQuestion); a.server != first {
			t.Errorf("asked %s, want the first server, which is back", a.server)
		}
	})
}

func TestSlowServerGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := parseZone(t, records)
		slow.SetTamper(func(query, reply *dns.Msg, tcp bool) [][]byte {
			time.Sleep(time.Second)
			return [][]byte{pack(t, reply)}
		})
		tr := newTestTransport(t, network{first: slow, second: parseZone(t, records)})
		if a := tr.ask(t.Context(), aQuestion); a.server != first {
			t.Fatalf("asked %s", a.server)
		}
		if a := tr.ask(t.Context(), aQuestion); a.server != second {
			t.Errorf("asked %s, want the other server", a.server)
		}
		time.Sleep(speedForgotten + time.Second)
		if a := tr.ask(t.Context(), aQuestion); a.server != first {
			t.Errorf("asked %s, want the first server to be measured anew", a.server)
		}
	})
}

func TestServerFromBeforeEDNS(t *testing.T) {
	for name, answer := range map[string]func(reply *dns.Msg){
		"FORMERR":              func(reply *dns.Msg) { reply.Rcode = dns.RcodeFormatError },
		"FORMERR, header only": func(reply *dns.Msg) { reply.Rcode, reply.Question = dns.RcodeFormatError, nil },
		"NOTIMP":               func(reply *dns.Msg) { reply.Rcode = dns.RcodeNotImplemented },
	} {
		t.Run(name, func(t *testing.T) {
			z := parseZone(t, records)
			z.SetTamper(func(query, reply *dns.Msg, tcp bool) [][]byte {
				if query.IsEdns0() != nil {
					answer(reply)
					reply.Answer, reply.Extra = nil, nil
				}
				return [][]byte{pack(t, reply)}
			})
			tr := newTestTransport(t, network{first: z})
			for range 2 {
				if a := tr.ask(t.Context(), aQuestion); a.err != nil {
					t.Fatal(a.err)
				}
			}
			if z.Asked() != 3 {
				t.Errorf("%d questions for 2 answers, want 3: the second time without EDNS at once", z.Asked())
			}
		})
	}
}

func TestAllServersSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTestTransport(t, network{first: parseZone(t, "example.net SILENT"), second: parseZone(t, "example.net SILENT")})
		start := time.Now()
		a := tr.ask(t.Context(), aQuestion)
		if a.outcome != failed || !isTimeout(a.err) {
			t.Errorf("got %s", a.text())
		}
		if took := time.Since(start); took != 2*defaultAttempts*defaultTimeout {
			t.Errorf("gave up after %v", took)
		}
	})
}

// However many servers and tries: a question ends.
func TestAskIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTestTransport(t, network{first: parseZone(t, "example.net SILENT")})
		tr.attempts = 1000
		start := time.Now()
		a := tr.ask(t.Context(), aQuestion)
		if a.outcome != failed || a.err != silence(maxAsk) || time.Since(start) != maxAsk {
			t.Errorf("got %v after %v", a.err, time.Since(start))
		}
	})
}

func TestAskEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTestTransport(t, network{first: parseZone(t, "example.net SILENT")})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		a := tr.ask(ctx, aQuestion)
		if !errors.Is(a.err, context.Canceled) || time.Since(start) != time.Second {
			t.Errorf("got %v after %v", a.err, time.Since(start))
		}
	})
}

func TestQueryOnTheWire(t *testing.T) {
	ids := make(map[uint16]bool)
	z := parseZone(t, records)
	z.SetTamper(func(query, reply *dns.Msg, tcp bool) [][]byte {
		ids[query.Id] = true
		opt := query.IsEdns0()
		if opt == nil || opt.UDPSize() != 1232 || opt.Do() || !query.AuthenticatedData || !query.RecursionDesired {
			t.Errorf("asked %s", query)
		}
		return [][]byte{pack(t, reply)}
	})
	tr := newTestTransport(t, network{first: z})
	for range 20 {
		tr.ask(t.Context(), aQuestion)
	}
	if len(ids) < 15 {
		t.Errorf("20 questions had only %d ids", len(ids))
	}
	tr.dnssec = true
	z.SetTamper(func(query, reply *dns.Msg, tcp bool) [][]byte {
		if !query.IsEdns0().Do() {
			t.Error("DO is not set")
		}
		return [][]byte{pack(t, reply)}
	})
	tr.ask(t.Context(), aQuestion)
}

func TestServerAddresses(t *testing.T) {
	got, err := serverAddresses([]string{"192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:5353"})
	want := "192.0.2.53:53 192.0.2.53:5353 [2001:db8::53]:53 [2001:db8::53]:5353"
	if err != nil || strings.Join(got, " ") != want {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "dns.example", "192.0.2.53:0", "192.0.2.53:port", "192.0.2.53:70000"} {
		if _, err := serverAddresses([]string{bad}); err == nil {
			t.Errorf("%q was taken for a server", bad)
		}
	}
	if _, err := serverAddresses(nil); err != nil {
		t.Errorf("servers of this machine: %v", err)
	}
}

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }
