package message

import (
	"errors"
	"strings"
	"testing"
)

func TestXtext(t *testing.T) {
	for plain, coded := range map[string]string{
		"": "", "bob@a.test": "bob@a.test", "a+b=c d": "a+2Bb+3Dc+20d", "~!": "~!",
	} {
		if got := EncodeXtext(plain); got != coded {
			t.Errorf("%q encoded: %q, want %q", plain, got, coded)
		}
		if got, err := DecodeXtext(coded); err != nil || got != plain {
			t.Errorf("%q decoded: %q, %v", coded, got, err)
		}
	}
	for _, bad := range []string{"+", "+2", "+G0", "a b", "a=b", "x+0D+0AAction:+20delivered", "+00", "+7F", "+FF", "ü", "\r\n"} {
		if got, err := DecodeXtext(bad); !errors.Is(err, ErrBadXtext) {
			t.Errorf("%q: %q, %v", bad, got, err)
		}
	}
}

func TestOriginalRecipient(t *testing.T) {
	for _, c := range []struct {
		in, kind, addr, out string
		wide                bool
	}{
		{"rfc822;bob@a.test", "rfc822", "bob@a.test", "rfc822;bob@a.test", false},
		{"RFC822;bob+2Btag@a.test", "RFC822", "bob+tag@a.test", "RFC822;bob+2Btag@a.test", false},
		{"x400;/c=de", "", "", "", false}, // "=" must be encoded
		{`utf-8;\x{7528}@a.test`, "utf-8", "用@a.test", `utf-8;\x{7528}@a.test`, false},
		{`UTF-8;\x{1F600}\x{5C}\x{2B}@a.test`, "UTF-8", `😀\+@a.test`, `UTF-8;\x{1F600}\x{5C}\x{2B}@a.test`, false},
		{"utf-8;用@a.test", "utf-8", "用@a.test", "utf-8;用@a.test", true},
		{`utf-8;\x{7528}\x{20}\x{5C}@a.test`, "utf-8", `用 \@a.test`, `utf-8;用\x{20}\x{5C}@a.test`, true},
		{"utf-8;用@a.test", "", "", "", false}, // UTF-8 without SMTPUTF8
		{"rfc822;用@a.test", "", "", "", true},
		{"rfc822;j+C3+BC@a.test", "utf-8", "jü@a.test", `utf-8;j\x{FC}@a.test`, false}, // as Postfix has it
		{"rfc822;j+FC@a.test", "", "", "", true}, {"rfc822;+C2+85@a.test", "", "", "", true}, {"x400;j+C3+BC", "", "", "", true},
		{"rfc822;+7F@a.test", "", "", "", true}, {"rfc822;+C3+BC+0D+0A@a.test", "", "", "", true},
		{`utf-8;\x{D800}`, "", "", "", true}, {`utf-8;\x{110000}`, "", "", "", true}, {`utf-8;\x{}`, "", "", "", true},
		{`utf-8;\x{0D}\x{0A}x`, "", "", "", true}, {`utf-8;\x{85}`, "", "", "", true}, {`utf-8;\x{202E}`, "", "", "", true}, {`utf-8;\y{41}`, "", "", "", true},
		{`utf-8;\x{41`, "", "", "", true}, {"utf-8;a+b", "", "", "", true},
		{"", "", "", "", false}, {";", "", "", "", false}, {"rfc822;", "", "", "", false}, {";bob@a.test", "", "", "", false}, {"rfc 822;x", "", "", "", false},
		{"rfc822;" + strings.Repeat("x", 500), "", "", "", false},
	} {
		kind, addr, err := ParseOriginalRecipient(c.in, c.wide)
		if c.kind == "" {
			if !errors.Is(err, ErrBadXtext) {
				t.Errorf("%q: %q, %q, %v", c.in, kind, addr, err)
			}
			continue
		}
		if err != nil || kind != c.kind || addr != c.addr {
			t.Errorf("%q: %q, %q, %v", c.in, kind, addr, err)
		}
		if out := FormatOriginalRecipient(kind, addr, c.wide); out != c.out {
			t.Errorf("%q is written as %q, want %q", c.in, out, c.out)
		}
	}
}

func FuzzOriginalRecipient(f *testing.F) {
	f.Add("rfc822;bob+2Btag@a.test", false)
	f.Add("rfc822;j+C3+BC@a.test", false)
	f.Add(`utf-8;\x{7528}\x{10FFFD}用@a.test`, true)
	f.Fuzz(func(t *testing.T, s string, wide bool) {
		kind, addr, err := ParseOriginalRecipient(s, wide)
		if err != nil {
			return
		}
		if strings.ContainsFunc(addr, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Fatalf("%q holds a control: %q", s, addr)
		}
		out := FormatOriginalRecipient(kind, addr, wide)
		if len(out) > maxOriginal {
			return // the 7-bit form of a long address in UTF-8
		}
		if kind2, addr2, err := ParseOriginalRecipient(out, wide); err != nil || kind2 != kind || addr2 != addr {
			t.Fatalf("%q: %q, %q; as %q read back %q, %q, %v", s, kind, addr, out, kind2, addr2, err)
		}
	})
}

func TestCleanText(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		text  string
		line  string
	}{
		{"plain", 10, "plain", "plain"},
		{"a\nb\r\nc", 10, "a\nb\nc", "a b c"},
		{"a\rb\tc\x00\x7f\u0085\u202e\xff", 100, "a?b c?????", "a?b c?????"},
		{"grüße", 4, "grü", "grü"},
		{"grüße", 3, "gr", "gr"},
		{"plain", 2, "pl", "pl"},
		{"plain", -1, "", ""}, {"ü", 0, "", ""},
	} {
		if got := CleanText(c.in, c.limit); got != c.text {
			t.Errorf("text %q: %q, want %q", c.in, got, c.text)
		}
		if got := CleanLine(c.in, c.limit); got != c.line {
			t.Errorf("line %q: %q, want %q", c.in, got, c.line)
		}
	}
}
