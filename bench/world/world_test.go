package world

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB, cfg Config) *World {
	t.Helper()
	w, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return w
}

// client is a plain SMTP client: what it says, and the last line of each reply.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &client{t, conn, bufio.NewReader(conn)}
	c.reply()
	return c
}

func (c *client) reply() string {
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return "closed"
		}
		if len(line) > 3 && line[3] == ' ' {
			return strings.TrimSpace(line)
		}
	}
}

func (c *client) say(line string) string {
	if _, err := c.conn.Write([]byte(line + "\r\n")); err != nil {
		return "closed"
	}
	return c.reply()
}

// mxOf asks the world's DNS and returns the address of the best host.
func mxOf(t testing.TB, w *World, domain string) string {
	t.Helper()
	ask := func(name string, typ uint16) *dns.Msg {
		m := new(dns.Msg)
		m.SetQuestion(dns.Fqdn(name), typ)
		in, err := dns.Exchange(m, w.DNSAddr())
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	in := ask(domain, dns.TypeMX)
	if in.Rcode != dns.RcodeSuccess {
		return dns.RcodeToString[in.Rcode]
	}
	mx := in.Answer[0].(*dns.MX)
	if mx.Mx == "." {
		return "null MX"
	}
	a := ask(mx.Mx, dns.TypeA).Answer[0].(*dns.A)
	return fmt.Sprintf("%s:%d", a.A, w.Port())
}

func village(t testing.TB, hosts int) *World {
	sites, catch := Village()
	return start(t, Config{Sites: sites, CatchAll: catch, MaxAddresses: hosts, CaptureBytes: 1 << 20})
}

func TestVillageManners(t *testing.T) {
	for name, hosts := range map[string]int{"an address for each host": 0, "one address": 1} {
		t.Run(name, func(t *testing.T) {
			w := village(t, hosts)
			for domain, want := range map[string]string{
				"ok.test":        "250 2.1.5",
				"OK.test":        "250 2.1.5",
				"greylist.test":  "451 4.7.1",
				"defer.test":     "451 4.3.0",
				"reject.test":    "550 5.1.1",
				"full.test":      "452 4.2.2",
				"anything.else":  "250 2.1.5",
				"nullmx.test":    "null MX",
				"nxdomain.test":  "NXDOMAIN",
				"servfail.test":  "SERVFAIL",
				"sub.dom.ok.com": "250 2.1.5",
			} {
				got := mxOf(t, w, domain)
				if strings.HasPrefix(got, "127.") {
					c := dial(t, got)
					c.say("EHLO me")
					c.say("MAIL FROM:<a@b.test>")
					got = c.say("RCPT TO:<x@" + domain + ">")
				}
				if !strings.HasPrefix(got, want) {
					t.Errorf("%s: %s, want %s", domain, got, want)
				}
			}
		})
	}
}

func TestMessageArrivesWhole(t *testing.T) {
	w := village(t, 0)
	c := dial(t, w.HostAddr("mx1.ok.test"))
	for _, step := range [][2]string{
		{"EHLO me", "250 SIZE"},
		{"MAIL FROM:<a@b.test> BODY=8BITMIME SIZE=20", "250 2.1.0"},
		{"RCPT TO:<x@ok.test> NOTIFY=NEVER", "250"},
		{`rcpt to:<"y>z"@ok.test>`, "250"},
		{"DATA", "354"},
		{"..dot\r\nmid.dle\r\n...\r\n.", "250"},
		{"MAIL FROM:<>", "250"},
		{"RCPT TO:<x@ok.test>", "250"},
		{"BDAT 3\r\na\r\n\r\nBDAT 0 LAST", "250"}, // the chunk, an empty command line, the last chunk
	} {
		if got := c.say(step[0]); !strings.HasPrefix(got, step[1]) {
			t.Fatalf("%q: %s, want %s", step[0], got, step[1])
		}
	}
	c.reply()
	c.reply()
	kept := w.Captured()
	if len(kept) != 2 {
		t.Fatalf("%d messages captured", len(kept))
	}
	m := kept[0]
	if got := fmt.Sprintf("%s %s %q %q", m.Host, m.Sender, m.Recipients, m.Content); got !=
		`mx1.ok.test a@b.test ["x@ok.test" "\"y>z\"@ok.test"] ".dot\r\nmid.dle\r\n..\r\n"` {
		t.Error(got)
	}
	if got := string(kept[1].Content); got != "a\r\n" {
		t.Errorf("by BDAT: %q", got)
	}
	if s := w.Stats(); s.Messages != 2 || s.Recipients != 3 || s.Misrouted != 0 {
		t.Errorf("%+v", s)
	}
}

func TestStartTLS(t *testing.T) {
	w := village(t, 0)
	c := dial(t, w.HostAddr("mx1.ok.test"))
	c.say("EHLO me")
	if got := c.say("STARTTLS"); !strings.HasPrefix(got, "220") {
		t.Fatal(got)
	}
	tc := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	c.conn, c.r = tc, bufio.NewReader(tc)
	c.say("EHLO me")
	c.say("MAIL FROM:<a@b.test>\r\nRCPT TO:<x@ok.test>\r\nDATA")
	c.reply()
	c.reply()
	c.say("hello\r\n.")
	if kept := w.Captured(); len(kept) != 1 || !kept[0].TLS {
		t.Errorf("%+v", kept)
	}
}

// TestContentSurvivesAnySplit sends lines of dots and words in pieces of any size, by DATA and BDAT.
func TestContentSurvivesAnySplit(t *testing.T) {
	var mu sync.Mutex
	var got []byte
	w := start(t, Config{
		Sites:     Town(1, 1, 1, Manner{}),
		OnMessage: func(m *Message) { mu.Lock(); got = bytes.Clone(m.Content); mu.Unlock() },
	})
	rapid.Check(t, func(rt *rapid.T) {
		lines := rapid.SliceOf(rapid.StringMatching(`(\.|[a-z])*`)).Draw(rt, "lines")
		content := ""
		for _, l := range lines {
			content += l + "\r\n"
		}
		wire := "MAIL FROM:<a@b.test>\r\nRCPT TO:<x@" + TownDomain(0) + ">\r\n"
		replies := 3
		if rapid.Bool().Draw(rt, "bdat") {
			wire += fmt.Sprintf("BDAT %d LAST\r\n%s", len(content), content)
		} else {
			stuffed := strings.ReplaceAll("\r\n"+content, "\r\n.", "\r\n..")[2:]
			wire += "DATA\r\n" + stuffed + ".\r\n"
			replies++
		}
		c := dial(t, w.HostAddr("mx1.site0.bench.test"))
		defer c.conn.Close()
		for len(wire) > 0 {
			n := rapid.IntRange(1, len(wire)).Draw(rt, "piece")
			_, _ = c.conn.Write([]byte(wire[:n]))
			wire = wire[n:]
		}
		last := ""
		for range replies {
			last = c.reply()
		}
		mu.Lock()
		defer mu.Unlock()
		if last != "250 2.0.0 Ok: received" || string(got) != content {
			rt.Fatalf("reply %q, content %q, want %q", last, got, content)
		}
	})
}

func TestGreylistLetsTheSecondTryIn(t *testing.T) {
	s := &site{Site: Site{Manner: Manner{Greylist: time.Minute}}}
	now := time.Now()
	for _, step := range []struct {
		after time.Duration
		rcpt  string
		want  reply
	}{
		{0, "a", replyGreylisted},
		{30 * time.Second, "a", replyGreylisted},
		{30 * time.Second, "b", replyGreylisted},
		{time.Minute, "a", replyRecipient},
		{time.Minute, "b", replyGreylisted},
		{90 * time.Second, "b", replyRecipient},
	} {
		if got := s.judge(0, now.Add(step.after), "s", step.rcpt); got != step.want {
			t.Errorf("%s after %v: %s", step.rcpt, step.after, got)
		}
	}
}

func TestFractionsHoldAndSeedsRepeat(t *testing.T) {
	draw := func(seed uint64) string {
		s := &site{Site: Site{Manner: Manner{TempFail: 0.2, Drop: 0.5}}}
		var b strings.Builder
		for range 10_000 {
			b.WriteByte("ad"[len(s.judge(seed, time.Time{}, "s", "r"))%2]) // even length: accepted
			b.WriteByte('0' + byte(s.drawCut(seed)))
		}
		return b.String()
	}
	one := draw(1)
	if one != draw(1) || one == draw(2) {
		t.Error("a seed does not repeat its run, or two seeds agree")
	}
	deferred := strings.Count(one, string("ad"[len(replyTempFail)%2]))
	if never := strings.Count(one, "0"); deferred < 1900 || deferred > 2100 || never < 4800 || never > 5200 {
		t.Errorf("%d deferred, %d never cut", deferred, never)
	}
}

func TestFlakyHostNeverTakesWhatItCuts(t *testing.T) {
	sites, catch := Village()
	w := start(t, Config{Sites: sites, CatchAll: catch, Seed: 7, CaptureBytes: 1 << 20})
	acked := 0
	for range 100 {
		c := dial(t, w.HostAddr("mx1.flaky.test"))
		c.say("EHLO me")
		c.say("MAIL FROM:<a@b.test>")
		if strings.HasPrefix(c.say("RCPT TO:<x@flaky.test>"), "250") && strings.HasPrefix(c.say("DATA"), "354") &&
			strings.HasPrefix(c.say("hello\r\n."), "250") {
			acked++
		}
		c.conn.Close()
	}
	s := w.Stats()
	if acked == 0 || acked == 100 || s.Messages != uint64(acked) || s.Dropped == 0 || s.Refused == 0 {
		t.Errorf("%d acknowledged, %+v", acked, s)
	}
}

// TestDelayIsALineNotAStop: two parcels 10 ms apart on a 50 ms line arrive 10 ms apart.
func TestDelayIsALineNotAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		o := newOutbox(t.Context(), near)
		begin := time.Now()
		go func() {
			o.send([]byte("a"), 50*time.Millisecond)
			time.Sleep(10 * time.Millisecond)
			o.send([]byte("b"), 50*time.Millisecond)
			o.close()
			near.Close()
		}()
		for _, want := range []time.Duration{50 * time.Millisecond, 60 * time.Millisecond} {
			b := make([]byte, 1)
			if _, err := far.Read(b); err != nil || time.Since(begin) != want {
				t.Errorf("%s after %v, want %v (%v)", b, time.Since(begin), want, err)
			}
		}
		far.Close()
	})
}

func TestSitesShareAddressesWhenThereAreMany(t *testing.T) {
	w := start(t, Config{Sites: Town(1000, 50, 2, Manner{}), MaxAddresses: 10})
	for _, d := range []int{0, 7, 999} {
		c := dial(t, mxOf(t, w, TownDomain(d)))
		c.say("MAIL FROM:<a@b.test>")
		if got := c.say("RCPT TO:<x@" + TownDomain(d) + ">"); !strings.HasPrefix(got, "250") {
			t.Error(got)
		}
	}
	if s := w.Stats(); s.Misrouted != 0 {
		t.Errorf("%+v", s)
	}
	if got := mxOf(t, w, "elsewhere.test"); got != "NXDOMAIN" {
		t.Error(got)
	}
}

func BenchmarkSink(b *testing.B) {
	w := start(b, Config{Sites: Town(1, 1, 1, Manner{})})
	c := dial(b, w.HostAddr("mx1.site0.bench.test"))
	head := []byte("MAIL FROM:<a@b.test>\r\nRCPT TO:<x@" + TownDomain(0) + ">\r\nDATA\r\n")
	msg := append(head, bytes.Repeat([]byte("0123456789012345678901234567890123456789012345678901234567890\r\n"), 64)...)
	msg = append(msg, ".\r\n"...)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.conn.Write(msg)
		for range 4 {
			_, _ = c.r.ReadSlice('\n')
		}
	}
}

// TestRecordsComeBeforeSites: what is written down is answered, MX records are those of the sites, and in a zone there
// is nothing but what is written down.
func TestRecordsComeBeforeSites(t *testing.T) {
	w := start(t, Config{
		CatchAll: &Site{Hosts: []string{"capture.test"}},
		Records: []string{
			`ok.test. 300 IN TXT "v=spf1" " -all"`, `_dmarc.ok.test. 300 IN TXT "v=DMARC1"`,
			`10.0.18.198.in-addr.arpa. 300 IN PTR out.test.`, `out.test. 300 IN A 198.18.0.10`, `9.bl.test. 300 IN A 127.0.0.2`,
		},
		Zones: []string{"bl.test"},
	})
	for question, want := range map[string]string{
		"TXT ok.test":                  `"v=spf1" " -all"`,
		"TXT _DMARC.ok.test":           `"v=DMARC1"`,
		"A ok.test":                    "NOERROR",
		"MX ok.test":                   "10 capture.test.",
		"PTR 10.0.18.198.in-addr.arpa": "out.test.",
		"PTR 11.0.18.198.in-addr.arpa": "NXDOMAIN",
		"A out.test":                   "198.18.0.10",
		"TXT elsewhere.test":           "NOERROR",
		"A 9.bl.test":                  "127.0.0.2",
		"A 8.bl.test":                  "NXDOMAIN",
		"A bl.test":                    "NOERROR",
	} {
		kind, name, _ := strings.Cut(question, " ")
		m := new(dns.Msg)
		m.SetQuestion(dns.Fqdn(name), dns.StringToType[kind])
		reply, err := dns.Exchange(m, w.DNSAddr())
		if err != nil {
			t.Fatal(err)
		}
		got := dns.RcodeToString[reply.Rcode]
		if len(reply.Answer) > 0 {
			got = strings.TrimPrefix(reply.Answer[0].String(), reply.Answer[0].Header().String())
		}
		if got != want {
			t.Errorf("%s: %s, want %s", question, got, want)
		}
	}
}

func TestARecordThatMakesNoSense(t *testing.T) {
	_, err := Start(t.Context(), Config{CatchAll: &Site{Hosts: []string{"a.test"}}, Records: []string{"a.test. 300 IN A nowhere"}})
	if err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Error(err)
	}
}
