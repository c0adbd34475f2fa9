package resolver

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSiteName(t *testing.T) {
	for want, hosts := range map[string]string{
		"mx1.example.net":                             "mx1.example.net",
		"(mx1|mx2).example.net":                       "mx2.example.net mx1.example.net mx1.example.net",
		"(alt1|alt2)?.gmail-smtp-in.l.google.com":     "gmail-smtp-in.l.google.com alt1.gmail-smtp-in.l.google.com alt2.gmail-smtp-in.l.google.com",
		"(mx.example.net|mx.example.org)":             "mx.example.net mx.example.org",
		"(a.example.com|b.example.net|c.example.com)": "a.example.com b.example.net c.example.com",
		"(a.com|b.com)":                               "a.com b.com",
		"(ample.com|example.com)":                     "example.com ample.com",
		"[192.0.2.1]":                                 "[192.0.2.1]",
		"localhost":                                   "localhost",
		"(a.one|b.two).example.net":                   "a.one.example.net b.two.example.net",
		"(h00|+49).example.net#9134a3a2cb7cbd96":      many("h%02d.example.net", 50),
		"(h00.example|+49)#baf1fa883d138643":          many("h%02d.example", 50),
	} {
		if got := siteName(strings.Fields(hosts)); got != want {
			t.Errorf("%s: got %s, want %s", hosts, got, want)
		}
	}
}

func many(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format+" ", i)
	}
	return b.String()
}

// The same set has the same name in any order, another set another name, and none is too long.
func TestSiteNameIsOneForOne(t *testing.T) {
	label := rapid.StringMatching(`[a-c_-]{1,3}|[a-z]{60,63}`)
	name := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(label, 1, 3).Draw(t, "labels"), ".") +
			rapid.SampledFrom([]string{"", ".a", ".a.b", ".example.net"}).Draw(t, "end")
	})
	set := rapid.Map(rapid.SliceOfNDistinct(name, 1, 12, rapid.ID), func(s []string) []string {
		slices.Sort(s)
		return s
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := set.Draw(t, "a"), set.Draw(t, "b")
		na, nb := siteName(a), siteName(b)
		if (na == nb) != slices.Equal(a, b) {
			t.Fatalf("%q and %q are called %s and %s", a, b, na, nb)
		}
		if len(na) > maxSiteLength {
			t.Fatalf("%s is too long", na)
		}
		mixed := slices.Clone(a)
		rand.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if got := siteName(mixed); got != na {
			t.Fatalf("%q is called %s, but %s in another order", a, na, got)
		}
	})
}
