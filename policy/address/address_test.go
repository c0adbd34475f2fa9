package address

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/posthaste-mta/posthaste/message"
)

// accounts returns a has for these.
func accounts(names ...string) func(string) bool {
	return func(name string) bool {
		for _, n := range names {
			if n == name {
				return true
			}
		}
		return false
	}
}

func parse(t testing.TB, text string) message.Address {
	a, err := message.ParseAddress(text, true)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// show writes targets as "ann@a.test" for a mailbox, "(bob@b.test)" for what is elsewhere or not there.
func show(targets []Target, known bool) string {
	if !known {
		return "unknown"
	}
	words := make([]string, len(targets))
	for i, t := range targets {
		words[i] = "(" + t.Address.String() + ")"
		if t.Account != "" {
			words[i] = t.Account
		}
	}
	return strings.Join(words, " ")
}

func TestResolve(t *testing.T) {
	book, err := New(Config{
		Domains: []string{"a.test", "B.test", "bücher.test"}, Tag: "+", Postmaster: "ann@a.test",
		Aliases: []Alias{
			{"sales@a.test", []string{"ann@a.test", "Bob@elsewhere.example", "ANN@a.test", "gone@a.test"}},
			{"nobody@a.test", []string{"gone@a.test"}},
			{"away@a.test", []string{"away@a.test", "bob@elsewhere.example"}}, // a copy is kept
			{"all@a.test", []string{"sales@a.test", "away@a.test"}},
			{"ann+list@a.test", []string{"list@b.test"}},
			{"tagged@a.test", []string{"tagged+home@a.test"}},
			{"@b.test", []string{"carl@b.test"}},
			{"half@b.test", []string{"dora@b.test", "lost@b.test"}},
			{"grüße@bücher.test", []string{"ann@a.test"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	has := accounts("ann@a.test", "away@a.test", "tagged@a.test", "carl@b.test", "dora@b.test", `"o k"@a.test`)
	for in, want := range map[string]string{
		"ann@a.test": "ann@a.test", "ANN@a.TEST": "ann@a.test", `"ann"@a.test`: "ann@a.test", `"a\nn"@a.test`: "ann@a.test",
		"ann+shop@a.test": "ann@a.test", "Ann+Shop+more@a.test": "ann@a.test", `"ann+a b"@a.test`: "ann@a.test",
		"+ann@a.test": "unknown", `"+ann"@a.test`: "unknown", "an@a.test": "unknown", "ann@c.test": "unknown", "ann@b.a.test": "unknown",
		`"o k"@a.test`: `"o k"@a.test`, `"O K+x"@a.test`: `"o k"@a.test`, `"\o k"@a.test`: `"o k"@a.test`,
		"sales@a.test":    "ann@a.test (Bob@elsewhere.example) (gone@a.test)",
		"sales+x@a.test":  "ann@a.test (Bob@elsewhere.example) (gone@a.test)",
		"nobody@a.test":   "unknown",
		"away@a.test":     "away@a.test (bob@elsewhere.example)",
		"all@a.test":      "ann@a.test (Bob@elsewhere.example) (gone@a.test) away@a.test",
		"ann+list@a.test": "carl@b.test", "tagged@a.test": "tagged@a.test",
		"whoever@b.test": "carl@b.test", "dora+x@b.test": "dora@b.test", "carl@b.test": "carl@b.test", "half@b.test": "dora@b.test carl@b.test",
		"postmaster@a.test": "ann@a.test", "Postmaster+x@b.test": "ann@a.test", "postmaster@c.test": "unknown", "postmaster2@a.test": "unknown",
		"grüße@xn--bcher-kva.test": "ann@a.test", "GRÜSSE@bücher.test": "unknown", "GRU\u0308ßE@bücher.test": "ann@a.test",
	} {
		if got := show(book.Resolve(parse(t, in), has)); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// A catch-all never catches its own target, and catch-alls that lead to each other end.
func TestCatchAllsDoNotTurn(t *testing.T) {
	book, err := New(Config{Domains: []string{"a.test", "b.test"}, Postmaster: "postmaster@a.test", Aliases: []Alias{
		{"@a.test", []string{"x@b.test"}}, {"@b.test", []string{"y@a.test", "kept@elsewhere.example"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"one@a.test": "(kept@elsewhere.example)", "one@b.test": "(kept@elsewhere.example)", "postmaster@a.test": "(kept@elsewhere.example)",
	} {
		if got := show(book.Resolve(parse(t, in), accounts())); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	if got := show(book.Resolve(parse(t, "one@b.test"), accounts("y@a.test"))); got != "y@a.test (kept@elsewhere.example)" {
		t.Error(got)
	}
}

// What waits in the queue has its aliases behind it.
func TestAccountKnowsNoAlias(t *testing.T) {
	book, err := New(Config{Domains: []string{"a.test"}, Tag: "-", Aliases: []Alias{{"ann@a.test", []string{"bob@b.test"}}, {"@a.test", []string{"bob@b.test"}}}})
	if err != nil {
		t.Fatal(err)
	}
	has := accounts("ann@a.test", "ann-marie@a.test", "bob@b.test")
	for in, want := range map[string]string{
		"ann@a.test": "ann@a.test", "Ann-x@a.test": "ann@a.test", "ann-marie@a.test": "ann-marie@a.test",
		"carl@a.test": "", "bob@b.test": "", "ann+x@a.test": "",
	} {
		if got, ok := book.Account(parse(t, in), has); got != want || ok != (want != "") {
			t.Errorf("%s: %s, %v, want %s", in, got, ok, want)
		}
	}
	var none *Book
	if _, known := none.Resolve(parse(t, "ann@a.test"), has); known || none.Local("a.test") {
		t.Error("no book knows an address")
	}
}

func TestNewRefuses(t *testing.T) {
	many := make([]string, MaxTargets+1)
	for i := range many {
		many[i] = fmt.Sprintf("u%d@a.test", i)
	}
	row := make([]Alias, maxDepth+1)
	for i := range row {
		row[i] = Alias{fmt.Sprintf("x%d@a.test", len(row)-i), []string{fmt.Sprintf("x%d@a.test", len(row)-i-1)}}
	}
	to := func(name string, to ...string) Alias { return Alias{name, to} }
	for name, c := range map[string]struct {
		aliases       []Alias
		alias, target int
		want          error
		text          string
	}{
		"two":      {[]Alias{to("a@a.test", "b@a.test"), to("b@a.test", "A@a.test")}, 0, -1, ErrLoop, "a@a.test → b@a.test → a@a.test"},
		"three":    {[]Alias{to("z@a.test", "a@a.test"), to("a@a.test", "b@a.test"), to("b@a.test", "c+x@a.test"), to("c@a.test", "a@a.test")}, 0, -1, ErrLoop, "a@a.test → b@a.test → c@a.test → a@a.test"},
		"kept":     {[]Alias{to("a@a.test", "a@a.test", "b@a.test"), to("b@a.test", "a@a.test")}, 0, -1, ErrLoop, ""},
		"tagged":   {[]Alias{to("a@a.test", "a+x@a.test"), to("a+x@a.test", "a@a.test")}, 0, -1, ErrLoop, ""},
		"deep":     {row, 0, -1, ErrDeep, ""},
		"many":     {[]Alias{to("one@a.test", "ann@a.test"), to("all@a.test", many...)}, 1, -1, ErrMany, ""},
		"by catch": {[]Alias{to("one@a.test", "ann@a.test"), to("@a.test", many...)}, 0, -1, ErrMany, ""},
		"foreign":  {[]Alias{to("one@b.test", "ann@a.test")}, 0, -1, ErrForeign, "one@b.test"},
		"all of b": {[]Alias{to("@b.test", "ann@a.test")}, 0, -1, ErrForeign, "@b.test"},
		"twice":    {[]Alias{to("one@a.test", "ann@a.test"), to("ONE@a.test", "ann@a.test")}, 1, -1, ErrTwice, ""},
		"nowhere":  {[]Alias{to("one@a.test")}, 0, -1, ErrEmpty, ""},
		"target":   {[]Alias{to("one@a.test", "ann@a.test", "ann")}, 0, 1, message.ErrBadAddress, `"ann"`},
		"wild":     {[]Alias{to("one@a.test", "@a.test")}, 0, 0, message.ErrBadAddress, ""},
		"address":  {[]Alias{to("one", "ann@a.test")}, 0, -1, message.ErrBadAddress, ""},
		"empty":    {[]Alias{to("", "ann@a.test")}, 0, -1, message.ErrBadAddress, ""},
		"domain":   {[]Alias{to("@", "ann@a.test")}, 0, -1, message.ErrBadAddress, ""},
	} {
		_, err := New(Config{Domains: []string{"a.test"}, Tag: "+", Aliases: c.aliases})
		var a *AliasError
		if !errors.As(err, &a) || !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || a.Alias != c.alias || a.Target != c.target {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range []Config{{Domains: []string{"-"}}, {Tag: "++"}, {Tag: "a"}, {Tag: "@"}, {Tag: "\n"}, {Postmaster: "root"}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	if _, err := New(Config{Domains: []string{"a.test"}, Aliases: row[1:]}); err != nil {
		t.Errorf("a row of %d: %v", maxDepth, err)
	}
}

func TestPlainAddressCostsOneName(t *testing.T) {
	book, _ := New(Config{Domains: []string{"a.test"}, Tag: "+", Aliases: []Alias{{"sales@a.test", []string{"ann@a.test"}}}})
	has, to := accounts("ann@a.test"), parse(t, "ann@a.test")
	if n := testing.AllocsPerRun(100, func() { book.Resolve(to, has) }); n > 2 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkResolve(b *testing.B) {
	book, _ := New(Config{Domains: []string{"a.test"}, Tag: "+", Aliases: []Alias{{"sales@a.test", []string{"ann@a.test", "bob@b.test"}}}})
	has := accounts("ann@a.test")
	for _, name := range []string{"ann@a.test", "ann+shop@a.test", "sales@a.test", "none@a.test"} {
		to := parse(b, name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				book.Resolve(to, has)
			}
		})
	}
}
