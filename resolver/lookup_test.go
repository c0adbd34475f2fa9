package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/posthaste-mta/posthaste/resolver/resolvertest"
)

const lookupZone = `
example.net            TXT   "v=spf1 " "-all"
example.net            TXT   "a \"quoted\" \195\164 \\ word"
example.net            MX    20 b.example.net
example.net            MX    10 a.example.net
null.example.net       MX    0 .
a.example.net          A     192.0.2.1
a.example.net          AAAA  2001:db8::1
b.example.net          A     192.0.2.2
k._domainkey.example.net CNAME k.keys.test
k.keys.test            TXT   "p=x"
1.2.0.192.in-addr.arpa CNAME 1.0/25.2.0.192.in-addr.arpa
1.0/25.2.0.192.in-addr.arpa PTR A.example.net
1.0/25.2.0.192.in-addr.arpa PTR not\@a.host
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR six.example.net
broken.example.net     SERVFAIL
dead.example.net       SILENT
half.example.net       SERVFAIL AAAA
half.example.net       A     192.0.2.3
big.example.net        TRUNCATED TXT
big.example.net        TXT   "big"
j\@x.example.net       TXT   "odd name"
`

// lookupStory asks one question and tells the answer in a line.
func lookupStory(ctx context.Context, r *Resolver, line string) string {
	kind, name, _ := strings.Cut(line, " ")
	var got any
	var err error
	switch kind {
	case "TXT":
		got, err = r.LookupTXT(ctx, name)
	case "MX":
		var mx []*net.MX
		mx, err = r.LookupMX(ctx, name)
		var hosts []string
		for _, m := range mx {
			hosts = append(hosts, fmt.Sprint(m.Pref, " ", m.Host))
		}
		got = hosts
	case "PTR":
		got, err = r.LookupAddr(ctx, netip.MustParseAddr(name))
	case "listed":
		got, err = r.LookupListed(ctx, name)
	default:
		got, err = r.LookupIP(ctx, kind, name)
	}
	if err == nil {
		return fmt.Sprintf("%q", got)
	}
	e, ok := err.(*net.DNSError) // bare, not wrapped
	switch {
	case !ok:
		return fmt.Sprintf("a %T: %v", err, err)
	case e.IsNotFound && !e.Temporary():
		return "no such name"
	case e.IsTimeout:
		return "timeout"
	case e.IsTemporary:
		return "temporary"
	}
	return e.Error()
}

func TestLookups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTestResolver(t, parseZone(t, lookupZone), Config{Timeout: time.Second})
		for _, c := range [][2]string{
			{"TXT example.net", `["v=spf1 -all" "a \"quoted\" ä \\ word"]`},
			{"TXT EXAMPLE.net.", `["v=spf1 -all" "a \"quoted\" ä \\ word"]`},
			{"TXT a.example.net", "[]"},
			{"TXT gone.example.net", "no such name"},
			{"TXT broken.example.net", "temporary"},
			{"TXT dead.example.net", "timeout"},
			{"TXT big.example.net", `["big"]`},
			{"TXT k._domainkey.example.net", `["p=x"]`},
			{"TXT j@x.example.net", `["odd name"]`},
			{"TXT a..example.net", "no such name"},
			{"TXT .", "no such name"},
			{"TXT a b.example.net", "no such name"},
			{"TXT ü.example.net", "no such name"},
			{"TXT " + strings.Repeat("a", 64) + ".example.net", "no such name"},
			{"TXT " + strings.Repeat("a.", 127) + "example.net", "no such name"},
			{"MX example.net", `["10 a.example.net." "20 b.example.net."]`},
			{"MX null.example.net", `["0 ."]`},
			{"MX a.example.net", "[]"},
			{"ip4 a.example.net", `["192.0.2.1"]`},
			{"ip6 a.example.net", `["2001:db8::1"]`},
			{"ip a.example.net", `["192.0.2.1" "2001:db8::1"]`},
			{"ip gone.example.net", "no such name"},
			{"ip4 half.example.net", `["192.0.2.3"]`},
			{"ip half.example.net", "temporary"},
			{"ip4 localhost", `["127.0.0.1"]`},
			{"ip9 a.example.net", "lookup a.example.net: unknown network ip9"},
			{"PTR 192.0.2.1", `["a.example.net"]`},
			{"PTR ::ffff:192.0.2.1", `["a.example.net"]`},
			{"PTR 2001:db8::1", `["six.example.net"]`},
			{"PTR 192.0.2.77", "no such name"},
			{"listed b.example.net", `["192.0.2.2"]`},
		} {
			if got := lookupStory(t.Context(), r, c[0]); got != c[1] {
				t.Errorf("%s: got %s, want %s", c[0], got, c[1])
			}
		}
	})
}

// Absence is kept as well as records are.
func TestLookupsAreCached(t *testing.T) {
	z := parseZone(t, lookupZone)
	r := newTestResolver(t, z, Config{})
	for range 3 {
		for _, q := range []string{"TXT example.net", "TXT gone.example.net", "MX a.example.net", "TXT broken.example.net"} {
			lookupStory(t.Context(), r, q)
		}
	}
	if got := r.Metrics(); got.CacheMisses != 4 || got.CachedAnswers != 4 {
		t.Errorf("asked %d times, %d kept", got.CacheMisses, got.CachedAnswers)
	}
}

// An answer past its end still tells where keys and policies are, but puts nobody on a list.
func TestListsAreNeverStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := parseZone(t, "listed.test 60 A 127.0.0.2\nkey.test 60 TXT \"k\"")
		r := newTestResolver(t, z, Config{})
		ask := func() []string {
			return []string{lookupStory(t.Context(), r, "listed listed.test"), lookupStory(t.Context(), r, "TXT key.test")}
		}
		if diff := cmp.Diff([]string{`["127.0.0.2"]`, `["k"]`}, ask()); diff != "" {
			t.Error(diff)
		}
		if err := z.Set("listed.test SERVFAIL\nkey.test SERVFAIL"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if diff := cmp.Diff([]string{"temporary", `["k"]`}, ask()); diff != "" {
			t.Error(diff)
		}
	})
}

// Questions of strangers that hang take no slot from the routes.
func TestLookupsDoNotHoldUpRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := parseZone(t, "*.dead.test SILENT\nexample.net A 192.0.2.1")
		r := newTestResolver(t, z, Config{MaxQueries: 2})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for i := range 2 {
			go r.LookupTXT(ctx, fmt.Sprintf("d%d.dead.test", i))
		}
		synctest.Wait()
		before := time.Now()
		if _, err := r.Route(t.Context(), "example.net"); err != nil || time.Since(before) != 0 {
			t.Errorf("%v after %v", err, time.Since(before))
		}
		if got := lookupStory(ctx, r, "TXT third.dead.test"); got != "timeout" {
			t.Errorf("got %s", got)
		}
	})
}

func TestLookupAfterClose(t *testing.T) {
	r := newTestResolver(t, parseZone(t, ""), Config{})
	r.Close()
	if got := lookupStory(t.Context(), r, "TXT example.net"); got != "temporary" {
		t.Errorf("got %s", got)
	}
}

// The text of a record is what was published, whatever bytes it has, and it weighs what it takes.
func TestTextsAreWhole(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	m := new(dns.Msg)
	rr := &dns.TXT{Hdr: dns.RR_Header{Name: "t.test.", Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}}
	for _, part := range [][]byte{all[:128], all[128:]} {
		var s strings.Builder
		for _, c := range part {
			fmt.Fprintf(&s, "\\%03d", c)
		}
		rr.Txt = append(rr.Txt, s.String())
	}
	m.SetQuestion("t.test.", dns.TypeTXT)
	m.Answer = []dns.RR{rr}
	packet, err := m.Pack()
	if err == nil {
		err = m.Unpack(packet)
	}
	if err != nil {
		t.Fatal(err)
	}
	a, _, err := evaluate(question{"t.test", dns.TypeTXT}, m)
	if err != nil || !slices.Equal(a.texts, []string{string(all)}) || a.weight() != 2 {
		t.Errorf("got %q, weight %d, %v", a.texts, a.weight(), err)
	}
}

// FuzzAskable: what is asked for can be packed, and reads back as what was asked for.
func FuzzAskable(f *testing.F) {
	for _, s := range []string{"example.net", "A.b.", `j@x\.y.test`, `"(;)'.test`, "a..b", "", ".", "1.0/25.2.0.192.in-addr.arpa"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		asked, ok := askable(name)
		if !ok {
			return
		}
		packet, err := packQuery(question{asked, dns.TypeTXT}, 7, true, false)
		if err != nil {
			t.Fatalf("%q as %q: %v", name, asked, err)
		}
		var m dns.Msg
		if err := m.Unpack(packet); err != nil || !sameName(m.Question[0].Name, asked) {
			t.Fatalf("%q as %q: %v %v", name, asked, m.Question, err)
		}
	})
}

func BenchmarkLookupTXTCached(b *testing.B) {
	z, err := resolvertest.ParseZone(lookupZone)
	if err != nil {
		b.Fatal(err)
	}
	r := newTestResolver(b, z, Config{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.LookupTXT(b.Context(), "example.net"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTemporaryKeepsItsCause(t *testing.T) {
	if err := temporary("a.test", "", context.DeadlineExceeded); !errors.Is(err, context.DeadlineExceeded) || !err.IsTimeout {
		t.Errorf("got %v", err)
	}
}
