package dmarc

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// zone answers out of a table; names are without "_dmarc.", or behind a "?" when the domain itself is meant.
type zone struct {
	texts map[string][]string
	dead  map[string]bool
	asked []string
}

func (z *zone) LookupTXT(ctx context.Context, name string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	short, ok := strings.CutPrefix(name, "_dmarc.")
	if !ok {
		short = "?" + name
	}
	if !slices.Contains(z.asked, short) {
		z.asked = append(z.asked, short)
	}
	texts, ok := z.texts[short]
	switch {
	case z.dead[short]:
		return nil, &net.DNSError{Err: "SERVFAIL", Name: name, IsTemporary: true}
	case !ok:
		return nil, &net.DNSError{Err: "no such name", Name: name, IsNotFound: true}
	}
	return texts, nil
}

func newZone() *zone { return &zone{texts: make(map[string][]string), dead: make(map[string]bool)} }

func (z *zone) add(name, text string) {
	switch text {
	case "exists":
		z.texts["?"+name] = nil
	case "SERVFAIL":
		z.dead[name] = true
	default:
		z.texts[name] = append(z.texts[name], text)
	}
}

func identifier(s string) Identifier {
	d, open := strings.CutSuffix(s, "?")
	return Identifier{Domain: d, Uncertain: open}
}

func (r Result) story() string {
	s := r.Value.String()
	if r.Author != "" {
		s += " " + r.Author
	}
	if r.PolicyDomain != "" {
		s += fmt.Sprintf(" (%s: %s", r.PolicyDomain, r.Published)
		if r.Policy != r.Published {
			s += ", applied " + r.Policy.String()
		}
		s += ")"
	}
	if r.SPFAligned {
		s += " spf"
	}
	if r.DKIMAligned {
		s += " dkim"
	}
	return s
}

func TestVerdicts(t *testing.T) {
	text, err := os.ReadFile("testdata/verdicts.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, story := range strings.Split(string(text), "\n\n") {
		if strings.HasPrefix(story, "#") {
			continue
		}
		n++
		z := newZone()
		var name, want string
		var m Message
		for _, line := range strings.Split(strings.TrimSpace(story), "\n") {
			verb, rest, _ := strings.Cut(line, " ")
			switch verb {
			case "case":
				name = rest
			case "zone":
				owner, text, _ := strings.Cut(rest, " ")
				z.add(owner, text)
			case "from":
				m.Authors = strings.Fields(rest)
			case "spf":
				id := identifier(rest)
				m.SPF = &id
			case "dkim":
				for _, s := range strings.Fields(rest) {
					m.DKIM = append(m.DKIM, identifier(s))
				}
			case "=":
				want = rest
			default:
				t.Fatalf("bad line %q", line)
			}
		}
		t.Run(name, func(t *testing.T) {
			got := Evaluate(t.Context(), z, m).story()
			if len(z.asked) > 0 {
				got += " [" + strings.Join(z.asked, " ") + "]"
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	if n < 30 {
		t.Errorf("%d cases", n)
	}
}

func TestEndOfContextIsTemporary(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := Evaluate(ctx, newZone(), Message{Authors: []string{"example.com"}}); got.Value != TempError || got.Err == nil {
		t.Errorf("got %+v", got)
	}
}

func TestParseRecord(t *testing.T) {
	for _, c := range []struct {
		text string
		want Record
		ok   bool
	}{
		{"v=DMARC1; p=none", Record{P: PolicyNone}, true},
		{"v = DMARC1 ; P = Reject ;", Record{P: PolicyReject}, true},
		{"v=DMARC1;p=none;p=reject", Record{P: PolicyNone}, true},
		{"v=DMARC1; sp=reject; p=none; np=quarantine", Record{P: PolicyNone, SP: PolicyReject, NP: PolicyQuarantine}, true},
		{"v=DMARC1; p=none; adkim=s; aspf=S; t=y; psd=n", Record{P: PolicyNone, StrictDKIM: true, StrictSPF: true, Testing: true, PSD: PSDNo}, true},
		{"v=DMARC1; p=none; adkim=x; t=maybe; psd=u; pct=5; fo=1; zz=1; junk", Record{P: PolicyNone}, true},
		{"v=DMARC1; rua=mailto:a@x.test!10m , https://x.test/r, junk; ruf=mailto:b@x.test",
			Record{P: PolicyNone, RUA: []string{"mailto:a@x.test", "https://x.test/r"}, RUF: []string{"mailto:b@x.test"}}, true},
		{"v=DMARC1", Record{}, true},
		{"v=DMARC1; p=", Record{}, true},
		{"v=dmarc1; p=none", Record{}, false},
		{" v=DMARC1; p=none", Record{}, false},
		{"v=DMARC12; p=none", Record{}, false},
		{"p=none; v=DMARC1", Record{}, false},
		{"v=spf1 -all", Record{}, false},
		{"", Record{}, false},
		{";", Record{}, false},
	} {
		got, ok := ParseRecord(c.text)
		if diff := cmp.Diff(c.want, got); diff != "" || ok != c.ok {
			t.Errorf("%q: %v %s", c.text, ok, diff)
		}
	}
}

func TestAuthors(t *testing.T) {
	for _, c := range [][2]string{
		{"From: a@Example.COM\r\n", "example.com"},
		{"From: A <a@example.com>\r\n", "example.com"},
		{"from :\r\n A\r\n <a@example.com>\r\n", "example.com"},
		{"From: \"b@other.test\" <a@example.com> (c@third.test)\r\n", "example.com"},
		{"From: b@other.test <a@example.com>\r\n", "example.com"},
		{"From: <x@one.test> <y@two.test>\r\n", "one.test two.test"},
		{"From: a@one.test, B <b@two.test>, c@one.test\r\n", "one.test two.test"},
		{"From: a@one.test\r\nFrom: b@two.test\r\n", "one.test two.test"},
		{"From: Team: a@one.test, b@two.test;\r\n", "one.test two.test"},
		{"From: a@bücher.example\r\n", "xn--bcher-kva.example"},
		{"From: =?utf-8?q?a=40other.test?= <a@example.com>\r\n", "example.com"},
		{"From: =?nocharset?q?a?= <a@example.com>\r\n", "example.com"},
		{"From: a@one.test b@two.test\r\n", "one.test two.test"},
		{"From: \"open <a@example.com>\r\n", "example.com"},
		{"From: <a@example.com\r\n", "example.com"},
		{"From: \"a@b\"@example.com\r\n", "example.com"},
		{"From: a@example.com.\r\n", "example.com"},
		{"From: a@[192.0.2.1]\r\n", ErrNoAuthor.Error()},
		{"From: nobody\r\n", ErrNoAuthor.Error()},
		{"From: undisclosed:;\r\n", ErrNoAuthor.Error()},
		{"Subject: x\r\n\r\nFrom: a@example.com\r\n", ErrNoAuthor.Error()},
		{"From: a@1.test,a@2.test,a@3.test,a@4.test,a@5.test,a@6.test,a@7.test,a@8.test,a@9.test\r\n", ErrTooManyAuthors.Error()},
		{"From: " + strings.Repeat("(", maxFrom) + "a@example.com\r\n", ErrTooManyAuthors.Error()},
	} {
		got, err := Authors([]byte(c[0] + "\r\n"))
		story := strings.Join(got, " ")
		if err != nil {
			story = err.Error()
		}
		if story != c[1] {
			t.Errorf("%.60q: got %s, want %s", c[0], story, c[1])
		}
	}
}

// However deep the domain: a walk asks at most eight questions, each name is above the one before.
func TestWalkIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		domain := strings.Join(rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,3}`), 1, 60).Draw(t, "labels"), ".")
		got := targets(domain)
		if len(got) > maxWalk || got[0] != domain || strings.Contains(got[len(got)-1], ".") {
			t.Fatalf("%q", got)
		}
		for i := 1; i < len(got); i++ {
			if !isBelow(got[i-1], got[i]) || got[i-1] == got[i] {
				t.Fatalf("%q", got)
			}
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	for _, s := range []string{"v=DMARC1; p=reject; sp=none; np=quarantine; adkim=s; aspf=r; psd=y; t=y; rua=mailto:a@b.c!10m,x:y", "v=DMARC1;;;=;p", "v"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, ok := ParseRecord(s)
		if !ok && (r.P != PolicyUnset || r.RUA != nil) || len(r.RUA) > maxURIs || len(r.RUF) > maxURIs {
			t.Errorf("%+v", r)
		}
		if ok && r.P == PolicyUnset && (r.SP != PolicyUnset || r.NP != PolicyUnset || len(r.RUA) > 0) {
			t.Errorf("no basis, but %+v", r)
		}
	})
}

func FuzzAuthors(f *testing.F) {
	for _, s := range []string{"a@b.c", `"x@y" <a@b.c>, d@e.f`, "g: a@b.c;", "<<a@b.c>>(\"", `"\"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Authors([]byte("From: " + s + "\r\n\r\n"))
		if (err == nil) != (len(got) > 0) || len(got) > maxAuthors {
			t.Errorf("%q %v", got, err)
		}
		for _, d := range got {
			if targets(d)[0] != d || d != strings.ToLower(d) {
				t.Errorf("%q", d)
			}
		}
	})
}

func BenchmarkEvaluate(b *testing.B) {
	z := newZone()
	z.add("example.com", "v=DMARC1; p=reject; rua=mailto:d@example.com")
	m := Message{Authors: []string{"news.example.com"}, SPF: &Identifier{Domain: "bounces.example.com"}, DKIM: []Identifier{{Domain: "example.com"}}}
	b.ReportAllocs()
	for b.Loop() {
		if r := Evaluate(b.Context(), z, m); r.Value != Pass {
			b.Fatal(r)
		}
	}
}
