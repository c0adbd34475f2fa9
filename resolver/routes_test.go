package resolver

import (
	"strings"
	"testing"
)

func TestNextHop(t *testing.T) {
	for in, want := range map[string]string{
		"mail.example":                           "mail.example",
		"Mail.Example.":                          "mail.example",
		"mail.example:2525":                      "mail.example:2525",
		"[mail.example]":                         "[mail.example]",
		"[mail.example]:2525":                    "[mail.example]:2525",
		"192.0.2.1":                              "[192.0.2.1]",
		"192.0.2.1:2525":                         "[192.0.2.1]:2525",
		"[192.0.2.1]:2525":                       "[192.0.2.1]:2525",
		"[2001:DB8::1]":                          "[2001:db8::1]",
		"[IPv6:2001:db8::1]:25":                  "[2001:db8::1]:25",
		"[::ffff:192.0.2.1]":                     "[192.0.2.1]",
		"bücher.example":                         "xn--bcher-kva.example",
		"_smtp.example:1":                        "_smtp.example:1",
		"":                                       "",
		"[]":                                     "",
		":25":                                    "",
		"[mail.example":                          "",
		"[mail.example]25":                       "",
		"mail.example:":                          "",
		"mail.example:0":                         "",
		"mail.example:65536":                     "",
		"mail.example:smtp":                      "",
		"2001:db8::1":                            "",
		"[fe80::1%eth0]":                         "",
		"mail..example":                          "",
		"two words":                              "",
		"1.2.3":                                  "",
		strings.Repeat("a", 64):                  "",
		strings.Repeat("abcdefg.", 40):           "",
		"mail.example:25:25":                     "",
		"[mail.example]:25 # the old one":        "",
		"lmtp:24":                                "lmtp:24",
		"lmtp://store.example:2424":              "lmtp://[store.example]:2424",
		"lmtp://store.example":                   "lmtp://[store.example]:24",
		"lmtp://[Store.Example]:24":              "lmtp://[store.example]:24",
		"lmtp://127.0.0.1:24":                    "lmtp://[127.0.0.1]:24",
		"lmtp://[2001:db8::1]:24":                "lmtp://[2001:db8::1]:24",
		"lmtp:unix:/run/dovecot/lmtp":            "lmtp:unix:/run/dovecot/lmtp",
		"lmtp:///run/dovecot/lmtp":               "lmtp:unix:/run/dovecot/lmtp",
		"lmtp://store.example:25":                "",
		"lmtp://store.example:":                  "",
		"lmtp://":                                "",
		"lmtp://2001:db8::1":                     "",
		"lmtp:unix:":                             "",
		"lmtp:unix:run/lmtp":                     "",
		"lmtp:unix:/run/l mtp":                   "",
		"lmtp:inet:store.example:24":             "",
		"lmtp:store.example:24":                  "",
		"lmtp:unix:/" + strings.Repeat("a", 103): "",
	} {
		got, err := ParseNextHop(in)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q was read as %s", in, got)
		case want != "" && (err != nil || got.String() != want):
			t.Errorf("%q: got %s, %v; want %s", in, got, err, want)
		}
	}
}

func TestRouteTableRefuses(t *testing.T) {
	for pattern, hop := range map[string]string{
		"example..net": "mail.example",
		"*.example":    "mail.example",
		".":            "mail.example",
		"":             "mail.example",
		"[192.0.2]":    "mail.example",
		"example.net":  "mail.example:",
	} {
		_, err := newRouteTable(map[string]string{pattern: hop}, "")
		if err == nil || !strings.Contains(err.Error(), pattern) {
			t.Errorf("route %q -> %q: %v", pattern, hop, err)
		}
	}
	if _, err := newRouteTable(map[string]string{"a.example": "x.example", "A.example.": "y.example"}, ""); err == nil {
		t.Error("two routes for one domain were taken")
	}
	if _, err := newRouteTable(nil, "smart host"); err == nil {
		t.Error("a bad smart host was taken")
	}
}

// FuzzNextHop: what is read prints as something that reads the same.
func FuzzNextHop(f *testing.F) {
	for _, s := range []string{
		"lmtp://store.example:24", "lmtp:unix:/run/lmtp", "mail.example:25", "[mail.example]", "[IPv6:2001:db8::1]:25", "192.0.2.1:25", "[::ffff:192.0.2.1]", "bücher.example", "[x]:", ":", "[",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseNextHop(s)
		if err != nil {
			return
		}
		again, err := ParseNextHop(h.String())
		if err != nil || again != h {
			t.Errorf("%q is %+v, which prints as %s, which is %+v, %v", s, h, h, again, err)
		}
		if (h.Name == "" != h.Addr.IsValid()) != (h.Socket != "") {
			t.Errorf("%q is %+v: neither name nor address, or both", s, h)
		}
	})
}

// FuzzRouteTable: no pattern and no domain upsets the table.
func FuzzRouteTable(f *testing.F) {
	f.Add("example.net", "example.net")
	f.Add(".example.net", "a.b.example.net")
	f.Add("*", "[192.0.2.1]")
	f.Add("[IPv6:2001:db8::1]", "[ipv6:2001:db8::1]")
	f.Fuzz(func(t *testing.T, pattern, domain string) {
		table, err := newRouteTable(map[string]string{pattern: "mail.example"}, "")
		if err != nil {
			return
		}
		if _, by, ok := table.match(domain); ok && strings.HasPrefix(by, ".") && !strings.HasSuffix(domain, by) {
			t.Errorf("%q matched %q by %q", pattern, domain, by)
		}
	})
}
