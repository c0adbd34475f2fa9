package inbound

import (
	"bytes"
	"context"
	"fmt"
	"net/mail"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/posthaste-mta/posthaste/policy/dmarc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNewNamesWhatIsWrong(t *testing.T) {
	z := parseZone(t, "")
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{ID: "mx.example.net"}, "no resolver"},
		{Config{Resolver: z}, `authserv-id ""`},
		{Config{Resolver: z, ID: "mx example"}, `authserv-id "mx example"`},
		{Config{Resolver: z, ID: "mx.test", Lists: []List{{Zone: "a b"}}}, `list "a b"`},
		{Config{Resolver: z, ID: "mx.test", Lists: []List{{Zone: "bl.test", Codes: []ListCode{{}}}}}, "list bl.test: answers"},
		{Config{Resolver: z, ID: "mx.test", Lists: []List{{Zone: "bl.test",
			Codes: []ListCode{{Net: netip.MustParsePrefix("10.0.0.0/8")}}}}}, "answers 10.0.0.0/8 are not in"},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	var a Action
	if err := a.UnmarshalText([]byte("reject")); err == nil || !strings.Contains(err.Error(), "refuse") {
		t.Errorf("got %v", err)
	}
}

// When nothing answers, the checks end in time, with nothing held against the sender, and hold nothing back.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := parseZone(t, "example.com HANGS\n_dmarc.example.com HANGS\ned._domainkey.example.com HANGS\n"+
			"1.2.0.192.in-addr.arpa HANGS\n1.2.0.192.bl.test HANGS")
		c := newChecker(t, z, Config{Lists: []List{{Zone: "bl.test"}}, Timeout: 7 * time.Second})
		before := time.Now()
		res := c.Check(t.Context(), Session{Addr: netip.MustParseAddr("192.0.2.1"), MailFrom: "a@example.com"},
			[]byte(sign(t, sign(t, letter, edTags), edTags)))
		if took := time.Since(before); took != 7*time.Second {
			t.Errorf("took %v", took)
		}
		if res.SPF.Value != TempError || res.DKIM.Value() != TempError || res.DMARC.Value != dmarc.TempError ||
			res.Client.Reverse.Value != TempError || res.Client.Lists[0].Err == nil {
			t.Errorf("got %+v", res)
		}
		if d := c.Decide(res); d.Action != ActionNone {
			t.Errorf("got %+v", d)
		}
	})
}

// A client that hangs up ends its checks, and is no fault of the list.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := parseZone(t, "1.2.0.192.bl.test HANGS\n2.2.0.192.bl.test A 127.0.0.2")
		c := newChecker(t, z, Config{Lists: []List{{Zone: "bl.test"}}})
		for range 2 * deadAfter {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			if res := c.Client(ctx, netip.MustParseAddr("192.0.2.1")); res.Lists[0].Err == nil {
				t.Errorf("got %+v", res)
			}
		}
		if res := c.Client(t.Context(), netip.MustParseAddr("192.0.2.2")); !res.Lists[0].Listed() {
			t.Errorf("got %+v", res)
		}
	})
}

// A list that does not answer is left alone for a while, then tried again.
func TestDeadListIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := parseZone(t, "9.2.0.192.bl.test A 127.0.0.2")
		for i := range 9 {
			z.broken[fmt.Sprintf("%d.2.0.192.bl.test", i)] = "HANGS"
		}
		c := newChecker(t, z, Config{Lists: []List{{Zone: "bl.test", Timeout: 2 * time.Second}}})
		ask := func(last byte) (string, time.Duration) {
			before := time.Now()
			l := c.Client(t.Context(), netip.AddrFrom4([4]byte{192, 0, 2, last})).Lists[0]
			return fmt.Sprint(l.Names, l.Err == errListDead), time.Since(before)
		}
		for i := range byte(deadAfter) {
			if got, took := ask(i); got != "[] false" || took != 2*time.Second {
				t.Errorf("%d: %s after %v", i, got, took)
			}
		}
		if got, took := ask(9); got != "[] true" || took != 0 {
			t.Errorf("dead: %s after %v", got, took)
		}
		time.Sleep(deadFor)
		if got, _ := ask(9); got != "[127.0.0.2] false" {
			t.Errorf("back: %s", got)
		}
		if got, _ := ask(3); got != "[] false" {
			t.Errorf("one failure: %s", got)
		}
	})
}

// What was found out earlier in the session is not asked for again.
func TestEarlierResultsAreUsed(t *testing.T) {
	z := parseZone(t, "example.com TXT \"v=spf1 ip4:192.0.2.1 -all\"\n")
	c := newChecker(t, z, Config{Lists: []List{{Zone: "bl.test"}}})
	s := Session{Addr: netip.MustParseAddr("::ffff:192.0.2.1"), MailFrom: "a@example.com"}
	client, spf := c.Client(t.Context(), s.Addr), c.SPF(t.Context(), s)
	s.Client, s.SPF = &client, &spf
	res := c.Check(t.Context(), s, []byte(letter))
	if res.SPF.Value != Pass || res.Client.Addr.String() != "192.0.2.1" {
		t.Errorf("got %+v", res)
	}
	for name, n := range z.asked {
		if n != 1 && !strings.Contains(name, "_dmarc") {
			t.Errorf("%s asked %d times", name, n)
		}
	}
}

// Later replies of a session do not soften earlier ones, and a reply fits its action.
func TestStrictestActionWins(t *testing.T) {
	res := Results{SPF: SPF{Value: Fail, Domain: "a.test"}, DMARC: DMARC{Result: dmarc.Result{Value: dmarc.Fail, Policy: dmarc.PolicyReject, Author: "b.test"}}}
	for _, c := range []struct {
		actions Actions
		want    string
	}{
		{Actions{}, "refuse 550 5.7.1"},
		{Actions{DMARCReject: ActionTag}, "tag 000"},
		{Actions{DMARCReject: ActionNone, SPFFail: ActionNone}, "none 000"},
		{Actions{DMARCReject: ActionHold, SPFFail: ActionRefuse}, "refuse 550 5.7.23"},
		{Actions{DMARCReject: ActionDefer, SPFFail: ActionHold}, "defer 451 4.7.1"},
		{Actions{DMARCReject: ActionHold}, "hold 000"},
	} {
		d := newChecker(t, parseZone(t, ""), Config{Actions: c.actions}).Decide(res)
		if got := d.Action.String() + " " + d.Status.String(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%+v: got %s, want %s", c.actions, got, c.want)
		}
	}
	res = Results{SPF: SPF{Value: TempError, Domain: "a.test"}}
	c := newChecker(t, parseZone(t, ""), Config{Actions: Actions{TempError: ActionRefuse}})
	if got := c.Decide(res).Status.String(); !strings.HasPrefix(got, "550 5.7.24") {
		t.Errorf("got %s", got)
	}
}

func TestClean(t *testing.T) {
	c := newChecker(t, parseZone(t, ""), Config{OtherIDs: []string{"MX2.example.net."}})
	for _, field := range []struct {
		value  string
		forged bool
	}{
		{"mx.example.net; none", true},
		{"MX.Example.NET 1; none", true},
		{"mx.example.net", true},
		{"mx.example.net.; none", true},
		{"mx.example.net(x); none", true},
		{"(mx) (a (b) \\) c)\r\n \"mx.example.net\"; none", true},
		{"\"mx.exa\\mple.net\"; none", true},
		{"\"mx.example.net; none", true},
		{"(mx.example.net; none", true},
		{"mx.example.net/y; none", true},
		{"mx2.example.net; none", true},
		{"other.test; dkim=pass header.d=mx.example.net", false},
		{"mx.example.net.evil.test; none", false},
		{"amx.example.net; none", false},
		{"(mx.example.net) other.test; none", false},
		{"\"mx.example.net \"; none", false},
		{"; none", false},
		{"", false},
	} {
		head := "Subject: x\r\n"
		content := head + "Authentication-Results: " + field.value + "\r\n" + letter
		want := content
		if field.forged {
			want = head + letter
		}
		if got := string(c.Clean([]byte(content))); got != want {
			t.Errorf("%q: got %q", field.value, got)
		}
	}
	if got := string(c.Clean([]byte(letter + "Authentication-Results: mx.example.net; none\r\n"))); !strings.HasSuffix(got, "none\r\n") {
		t.Errorf("the body was changed: %q", got)
	}
}

// FuzzAuthservID: whoever is told as the author of a field by us is so by a simple reader as well.
func FuzzAuthservID(f *testing.F) {
	for _, s := range []string{"mx.example.net; none", `(a(b)) "x\"y" 1;`, `"`, "(", "a(", "ü.test;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, ok := authservID([]byte(s))
		simple, _, _ := strings.Cut(s, ";")
		if simple = strings.TrimRight(simple, " "); isToken(simple) && (id != simple || !ok) {
			t.Errorf("%q: %q %v, want %q", s, id, ok, simple)
		}
	})
}

// FuzzCheck: any message is checked, and what we add is a well-formed header that nobody else has a hand in.
func FuzzCheck(f *testing.F) {
	signed := sign(f, letter, edTags)
	f.Add([]byte(signed), "a@example.com", "client.example.com")
	f.Add(readMail(f, "testdata/rfc8463.eml"), "", "[192.0.2.1]")
	f.Add([]byte("Authentication-Results: mx.example.net; x\r\n"+signed+signed), `"a@b"@example.com`, "-")
	f.Add([]byte("DKIM-Signature: v=1; d=\"\\; s=\r\n\t; a=(;b=\x00\r\nFrom: <@>\r\n\r\n"), "a", "")
	z := parseZone(f, rfcZone+keysZone(f)+"example.com TXT \"v=spf1 exists:%{l}.%{s}.%{h}.test a mx ptr -all\"\n_dmarc.com TXT \"v=DMARC1; p=reject\"")
	c := newChecker(f, z, Config{Lists: []List{{Zone: "bl.test"}}})
	f.Fuzz(func(t *testing.T, content []byte, from, helo string) {
		res := c.Check(t.Context(), Session{Addr: netip.MustParseAddr("192.0.2.1"), MailFrom: from, HELO: helo}, content)
		header := c.Header(res, c.Decide(res))
		for _, line := range bytes.SplitAfter(header, []byte("\r\n")) {
			if len(line) > 998 || bytes.ContainsAny(bytes.TrimSuffix(line, []byte("\r\n")), "\r\n\x00") {
				t.Fatalf("line %q", line)
			}
		}
		m, err := mail.ReadMessage(bytes.NewReader(append(header, "\r\n"...)))
		if err != nil || len(m.Header) > 2 || len(m.Header["Authentication-Results"]) != 1 {
			t.Fatalf("%q: %v", header, err)
		}
		if len(res.DKIM.Signatures) > 8 {
			t.Fatalf("%d signatures", len(res.DKIM.Signatures))
		}
		once := c.Clean(content)
		if again := c.Clean(once); !bytes.Equal(again, once) {
			t.Fatalf("%q, then %q", once, again)
		}
	})
}

// BenchmarkCheck is all checks of a message of 4 KiB with two signatures, a list and everything from memory.
func BenchmarkCheck(b *testing.B) {
	z := parseZone(b, keysZone(b)+`
example.com TXT "v=spf1 include:spf.example.com -all"
spf.example.com TXT "v=spf1 ip4:198.51.100.0/24 ip4:192.0.2.0/24 -all"
_dmarc.example.com TXT "v=DMARC1; p=reject; rua=mailto:d@example.com"
1.2.0.192.in-addr.arpa PTR mail.example.com.
mail.example.com A 192.0.2.1
`)
	c := newChecker(b, z, Config{Lists: []List{{Zone: "bl.test"}}})
	letter := letter + strings.Repeat("All work and no play makes Jack a dull boy, and more.\r\n", 70)
	s := Session{Addr: netip.MustParseAddr("192.0.2.1"), MailFrom: "a@example.com", HELO: "mail.example.com"}
	b.Run("unsigned", func(b *testing.B) { benchmark(b, c, s, letter) })
	b.Run("ed25519", func(b *testing.B) { benchmark(b, c, s, sign(b, letter, edTags)) })
	rsa := strings.NewReplacer("ed25519", "rsa", "s=ed", "s=rsa").Replace(edTags)
	b.Run("rsa", func(b *testing.B) { benchmark(b, c, s, sign(b, letter, rsa)) })
	b.Run("both", func(b *testing.B) { benchmark(b, c, s, sign(b, sign(b, letter, rsa), edTags)) })
}

func benchmark(b *testing.B, c *Checker, s Session, mail string) {
	content := []byte(mail)
	b.ReportAllocs()
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		res := c.Check(b.Context(), s, content)
		if d := c.Decide(res); d.Action != ActionNone || len(c.Header(res, d)) == 0 || len(c.Clean(content)) != len(content) {
			b.Fatal(d)
		}
	}
}
