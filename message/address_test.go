package message

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestParseAddressTakes(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, c := range []struct {
		in, local, domain string
		utf8              bool
	}{
		{"bob@example.net", "bob", "example.net", false},
		{"Bob.Smith+tag@Example.NET", "Bob.Smith+tag", "example.net", false},
		{"!#$%&'*+-/=?^_`{|}~@a.test", "!#$%&'*+-/=?^_`{|}~", "a.test", false},
		{"bob@localhost", "bob", "localhost", false},
		{"bob@_x.a-b.test", "bob", "_x.a-b.test", false},
		{"bob@1.2.3.4a", "bob", "1.2.3.4a", false},
		{`"bob smith"@a.test`, `"bob smith"`, "a.test", false},
		{`"a@b"@a.test`, `"a@b"`, "a.test", false},
		{`"\"\\"@a.test`, `"\"\\"`, "a.test", false},
		{`""@a.test`, `""`, "a.test", false},
		{"bob@[192.0.2.1]", "bob", "[192.0.2.1]", false},
		{"bob@[IPv6:2001:DB8:0::1]", "bob", "[ipv6:2001:db8::1]", false},
		{"bob@[ipv6:::ffff:192.0.2.1]", "bob", "[ipv6:::ffff:192.0.2.1]", false},
		{"grüße@a.test", "grüße", "a.test", true},
		{`"grü ße"@a.test`, `"grü ße"`, "a.test", true},
		{"bob@BÜCHER.test", "bob", "xn--bcher-kva.test", true},
		{"bob@例え.テスト", "bob", "xn--r8jz45g.xn--zckzah", true},
		{"bob@a。test", "bob", "a.test", true},                                             // the full stop that Japanese keyboards have
		{strings.Repeat("l", 247) + "@a.test", strings.Repeat("l", 247), "a.test", false}, // as long as a path may be
		{"b@" + long + "." + long + "." + long + ".test", "b", long + "." + long + "." + long + ".test", false},
	} {
		got, err := ParseAddress(c.in, c.utf8)
		if err != nil || got != (Address{c.local, c.domain}) {
			t.Errorf("%q: %+v, %v", c.in, got, err)
		}
		if again, err := ParseAddress(got.String(), c.utf8); err != nil || again != got {
			t.Errorf("%q, once read, is read again as %+v, %v", c.in, again, err)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for _, in := range []string{
		"", "bob", "@", "bob@", "@a.test", "bob@a.test ", " bob@a.test", "bob @a.test", "bob@ a.test",
		".bob@a.test", "bob.@a.test", "b..b@a.test", "bob@a..test", "bob@.a.test", "bob@a.test.",
		"bob@-a.test", "bob@a-.test", "bob@a.test-", "bob@a.123", "bob@127.0.0.1", "bob@a/b.test",
		"@relay.test:bob@a.test", "<bob@a.test>", "bob@a.test>", "a@b@c.test", "bob,eve@a.test",
		`"bob@a.test`, `"bob"x@a.test`, `"a"."b"@a.test`, `"a\`, `"a\` + "\x00\"@a.test",
		"bob\r\n@a.test", "bob@a.test\r\n", "bob\x00@a.test", "\"a\r\nb\"@a.test", "\"a\tb\"@a.test", "bob\x7f@a.test",
		"bob@[]", "bob@[192.0.2]", "bob@[192.0.2.01]", "bob@[192.0.2.1", "bob@192.0.2.1]", "bob@[2001:db8::1]",
		"bob@[IPv6:192.0.2.1]", "bob@[IPv6:fe80::1%eth0]", "bob@[x:y]",
		"grüße@a.test", "bob@bücher.test", // without SMTPUTF8
		strings.Repeat("l", 248) + "@a.test", "b@" + strings.Repeat("d", 64) + ".test", "b@" + strings.Repeat("d.", 127) + "test",
	} {
		if got, err := ParseAddress(in, false); !errors.Is(err, ErrBadAddress) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{
		"gr\xfc\xdfe@a.test", "gr\u0085e@a.test", "a\u202eb@a.test", "a\u2028b@a.test", "a\u00a0b@a.test",
		"\"a\xff\"@a.test", "bob@\xff.test", "bob@a\u202e.test", "bob@a／b.test", "bob@" + strings.Repeat("ü", 2000) + ".test",
		"bob@＜.test", "bob@。test", "bob@a.test。",
	} {
		if got, err := ParseAddress(in, true); !errors.Is(err, ErrBadAddress) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

func TestDomainOf(t *testing.T) {
	for in, want := range map[string]string{
		"bob@example.net": "example.net", "bob@Example.NET": "example.net", `"a@b"@C.test`: "c.test",
		"postmaster": "", "": "", "bob@[IPv6:::1]": "[ipv6:::1]", "bob@BÜCHER.test": "bÜcher.test",
	} {
		if got := DomainOf(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestParseLiteral(t *testing.T) {
	for in, want := range map[string]string{"[192.0.2.1]": "192.0.2.1", "[IPv6:2001:db8::1]": "2001:db8::1", "[ipv6:::1]": "::1"} {
		if ip, ok := ParseLiteral(in); !ok || ip != netip.MustParseAddr(want) {
			t.Errorf("%s: %v, %v", in, ip, ok)
		}
	}
	for _, in := range []string{"", "[", "[]", "a.test", "192.0.2.1", "[::1]"} {
		if ip, ok := ParseLiteral(in); ok {
			t.Errorf("%s: %v", in, ip)
		}
	}
}

func TestPlainAddressCostsNoAllocation(t *testing.T) {
	n := testing.AllocsPerRun(100, func() {
		if _, err := ParseAddress("bob.smith@mail.example.net", true); err != nil {
			t.Fatal(err)
		}
		DomainOf("bob.smith@mail.example.net")
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"bob@example.net", `"a\"b"@a.test`, "bob@[IPv6:::1]", "grüße@bücher.test", "a@b@c", "a@x。y"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, utf8 bool) {
		a, err := ParseAddress(s, utf8)
		if err != nil {
			return
		}
		if len(a.String()) > maxAddress || !isASCII(a.Domain) || a.Domain != DomainOf(a.String()) {
			t.Fatalf("%q: %+v", s, a)
		}
		if strings.ContainsFunc(a.String(), func(r rune) bool { return r < ' ' || r == 0x7f }) || !utf8 && !isASCII(a.Local) {
			t.Fatalf("%q: %+v", s, a)
		}
		if again, err := ParseAddress(a.String(), utf8); err != nil || again != a {
			t.Fatalf("%q is %+v, read again %+v, %v", s, a, again, err)
		}
	})
}

func BenchmarkParseAddress(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = ParseAddress("bob.smith@mail.example.net", false)
	}
}
