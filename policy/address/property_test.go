package address

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/posthaste-mta/posthaste/message"
)

// Whatever the aliases: they are refused, or every address ends in targets of which each is there once, and is what
// Account says of it when it waits in the queue.
func TestTargetsStand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		local := rapid.SampledFrom([]string{"a", "b", "c", "d", "a+x", "b+y", "C", "postmaster"})
		domain := rapid.SampledFrom([]string{"a.test", "b.test"})
		anywhere := rapid.SampledFrom([]string{"a.test", "b.test", "far.example"})
		at := func(d *rapid.Generator[string]) *rapid.Generator[string] {
			return rapid.Custom(func(t *rapid.T) string { return local.Draw(t, "local") + "@" + d.Draw(t, "domain") })
		}
		aliases := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Alias {
			a := Alias{To: rapid.SliceOfN(at(anywhere), 1, 4).Draw(t, "to")}
			if a.Address = at(domain).Draw(t, "alias"); rapid.IntRange(0, 4).Draw(t, "catch-all") == 0 {
				a.Address = "@" + domain.Draw(t, "domain")
			}
			return a
		}), 0, 6).Draw(t, "aliases")
		postmaster := rapid.SampledFrom([]string{"", "a@a.test", "postmaster@b.test", "x@far.example"}).Draw(t, "postmaster")
		book, err := New(Config{Domains: []string{"a.test", "b.test"}, Tag: "+", Aliases: aliases, Postmaster: postmaster})
		if err != nil {
			if !errors.Is(err, ErrLoop) && !errors.Is(err, ErrTwice) {
				t.Fatal(err)
			}
			return
		}
		mailboxes := rapid.MapOf(rapid.SampledFrom([]string{"a@a.test", "b@a.test", "c@b.test", "d@b.test"}), rapid.Just(true)).Draw(t, "mailboxes")
		has := func(name string) bool { return mailboxes[name] }
		to, _ := message.ParseAddress(at(domain).Draw(t, "recipient"), true)
		targets, known := book.Resolve(to, has)
		if known && len(targets) == 0 {
			t.Fatalf("%v is known and leads nowhere", to)
		}
		if account, ok := book.Account(to, has); ok && !known && len(aliases) == 0 {
			t.Fatalf("%v is %s, and not known", to, account)
		}
		seen, arrives := map[string]bool{}, false
		for _, target := range targets {
			key := Name(target.Address)
			if target.Account != "" {
				key = target.Account
			}
			if seen[key] {
				t.Fatalf("%s twice in %v", key, targets)
			}
			seen[key] = true
			account, _ := book.Account(target.Address, has)
			if account != target.Account {
				t.Fatalf("%v is for %q, and for %q once it is queued", target.Address, target.Account, account)
			}
			arrives = arrives || account != "" || !book.Local(target.Address.Domain)
		}
		if known != arrives {
			t.Fatalf("known %v, targets %v", known, targets)
		}
	})
}

// A name is one address in one form: read again it is itself, and it is not shorter than its parts.
func FuzzName(f *testing.F) {
	for _, s := range []string{"Ann@a.test", `"Ann B"@a.test`, `"\"\\"@a.test`, `""@a.test`, "GRU\u0308SSE@a.test", "K@a.test", `"a+b c"@a.test`, "a+b@a.test", `"+a"@a.test`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := message.ParseAddress(s, true)
		if err != nil {
			return
		}
		name := Name(a)
		again, err := message.ParseAddress(name, true)
		if err != nil {
			if len(name) > len(s) { // composed forms may be longer than a path can be
				return
			}
			t.Fatalf("%q is called %q: %v", s, name, err)
		}
		if again.Domain != a.Domain || Name(again) != name {
			t.Fatalf("%q is called %q, and that %q", s, name, Name(again))
		}
		if base := untagged(name, "+"); base != "" {
			b, err := message.ParseAddress(base, true)
			if err != nil || b.Domain != a.Domain || Name(b) != base || untagged(base, "+") != "" {
				t.Fatalf("%q without tag: %q: %v", name, base, err)
			}
		}
	})
}
