package policy

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestShapingStory(t *testing.T) {
	def := DefaultLimits()
	s, err := NewShaping(def,
		Override{"site:*.big.example", PartialLimits{Connections: new(5), TLS: new(TLSEncrypt)}},
		Override{"site:mx.big.example", PartialLimits{MessagesPerSecond: new(2.5), EightBit: new(EightBitSend)}},
		Override{".a.test", PartialLimits{Connections: new(3)}},
		Override{"a.test", PartialLimits{Connections: new(2), IdleTimeout: new(time.Minute)}},
		Override{".x.a.test", PartialLimits{RecipientsPerTransaction: new(1)}},
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		domain, site string
		want         func(*Limits)
	}{
		{"other.test", "mx.other.test", func(*Limits) {}},
		{"other.test", "(mx1|mx2).big.example", func(l *Limits) { l.Connections, l.TLS = 5, TLSEncrypt }},
		{"other.test", "mx.big.example", func(l *Limits) {
			l.Connections, l.TLS, l.MessagesPerSecond, l.EightBit = 5, TLSEncrypt, 2.5, EightBitSend
		}},
		{"a.test", "mx.other.test", func(l *Limits) { l.Connections, l.IdleTimeout = 2, time.Minute }},
		{"b.a.test", "mx.big.example", func(l *Limits) {
			l.Connections, l.TLS, l.MessagesPerSecond, l.EightBit = 3, TLSEncrypt, 2.5, EightBitSend
		}},
		{"y.x.a.test", "", func(l *Limits) { l.RecipientsPerTransaction = 1 }}, // only the longest suffix counts
	} {
		want := def
		c.want(&want)
		if got := s.For(c.domain, c.site); got != want {
			t.Errorf("%s at %s: %+v\nwant %+v", c.domain, c.site, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { s.For("y.x.a.test", "mx.big.example") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestShapingRefuses(t *testing.T) {
	for what, spoil := range map[string]func(*Limits){
		"no connections": func(l *Limits) { l.Connections = 0 },
		"no messages":    func(l *Limits) { l.MessagesPerConnection = -1 },
		"no recipients":  func(l *Limits) { l.RecipientsPerTransaction = 0 },
		"rate NaN":       func(l *Limits) { l.MessagesPerSecond = math.NaN() },
		"no burst":       func(l *Limits) { l.MessagesPerSecond, l.Burst = 1, 0 },
		"no time":        func(l *Limits) { l.ConnectTimeout = 0 },
		"bad TLS":        func(l *Limits) { l.TLS = numTLSPolicies },
		"bad 8-bit":      func(l *Limits) { l.EightBit = numEightBits },
	} {
		l := DefaultLimits()
		spoil(&l)
		if _, err := NewShaping(l); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
	for _, o := range [][]Override{{{Match: ""}}, {{Match: "site:"}}, {{Match: "a.test"}, {Match: "a.test"}}, {{"a.test", PartialLimits{Connections: new(0)}}}} {
		if _, err := NewShaping(DefaultLimits(), o...); err == nil {
			t.Errorf("%+v: taken", o)
		}
	}
}

func TestTLSPolicyNames(t *testing.T) {
	for p := range numTLSPolicies {
		text, _ := p.MarshalText()
		var back TLSPolicy
		if err := back.UnmarshalText(text); err != nil || back != p {
			t.Errorf("%s read back as %v, %v", text, back, err)
		}
	}
	var p TLSPolicy
	if p.UnmarshalText([]byte("maybe")) == nil || numTLSPolicies.String() != "TLSPolicy(4)" {
		t.Error("names what is no policy")
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"a*c", "abc", true}, {"a*c", "ac", true}, {"a*c", "abcd", false},
		{"*.b.test", "a.b.test", true}, {"*.b.test", "b.test", false}, {"a*b*c", "aXbYbZc", true}, {"a**", "a", true}, {"*a", "aab", false}, {"ab", "a", false},
	} {
		if got := glob(c.pattern, c.s); got != c.want {
			t.Errorf("%q on %q: %v", c.pattern, c.s, got)
		}
	}
	if glob(strings.Repeat("a*", 1000)+"b", strings.Repeat("a", 10_000)) { // would not end if it tried all ways
		t.Error("matched")
	}
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringMatching("[ab]{0,3}"), 1, 4).Draw(t, "parts")
		fill := rapid.StringMatching("[ab]{0,3}")
		s := parts[0]
		for _, p := range parts[1:] {
			s += fill.Draw(t, "fill") + p
		}
		if pattern := strings.Join(parts, "*"); !glob(pattern, s) {
			t.Fatalf("%q does not match %q", pattern, s)
		}
	})
}

func BenchmarkShapingFor(b *testing.B) {
	s, err := NewShaping(DefaultLimits(), Override{"site:*.big.example", PartialLimits{Connections: new(5)}}, Override{".a.test", PartialLimits{}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.For("mail.example.net", "(mx1|mx2).example.net")
	}
}
