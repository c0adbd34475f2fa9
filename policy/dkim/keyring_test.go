package dkim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFor is the whole policy of which keys sign.
func TestFor(t *testing.T) {
	rsaKey, edKey := readKey(t, "two.pkcs8.pem"), readKey(t, "ed25519.pkcs8.pem")
	in := func(domain, selector string, p *PrivateKey, state State, until time.Time) *Key {
		return &Key{Domain: domain, Selector: selector, Private: p, State: state, Until: until}
	}
	soon, past := now.Add(time.Hour), now.Add(-time.Hour)
	keys := []*Key{
		in("example.com", "ed", edKey, Active, time.Time{}), // given first, signs second
		in("example.com", "rsa", rsaKey, Active, time.Time{}),
		in("example.com", "old", rsaKey, Retiring, soon),
		in("example.com", "new", rsaKey, Pending, time.Time{}),
		in("news.example.com", "n", edKey, Active, time.Time{}),
		in("wait.example.com", "w", edKey, Pending, time.Time{}),
		in("gap.example", "g1", rsaKey, Retiring, soon),
		in("gap.example", "g2", rsaKey, Retiring, soon.Add(time.Hour)),
		in("gap.example", "g3", edKey, Retiring, past),
		in("gone.example", "x", rsaKey, Retired, time.Time{}),
		in("gone.example", "y", rsaKey, Retiring, now),
		in("bücher.example", "b", edKey, Active, time.Time{}),
		in("provider.example", "p", rsaKey, Active, time.Time{}),
	}
	for _, c := range []struct{ provider, from, want string }{
		{"", "example.com", "rsa ed"},
		{"", "EXAMPLE.com.", "rsa ed"},
		{"", "news.example.com", "n"},
		{"", "a.news.example.com", "n"},
		{"", "other.example.com", "rsa ed"},
		{"", "a.b.c.d.example.com", "rsa ed"},
		{"", "wait.example.com", "rsa ed"}, // its own does not sign yet
		{"", "notexample.com", ""},
		{"", "com", ""},
		{"", "", ""},
		{"", "[192.0.2.1]", ""},
		{"", "not a domain", ""},
		{"", "gap.example", "g2"}, // better than no signature
		{"", "gone.example", ""},
		{"", "bücher.example", "b"},
		{"", "xn--bcher-kva.example", "b"},
		{"provider.example", "example.com", "rsa ed p"},
		{"provider.example", "notexample.com", "p"},
		{"provider.example", "", "p"},
		{"provider.example", "provider.example", "p"},
		{"provider.example", "a.provider.example", "p"},
		{"Provider.Example", "gone.example", "p"},
	} {
		var got []string
		for _, k := range keyring(t, c.provider, keys...).For(c.from, now) {
			got = append(got, k.Selector)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("provider %q, From %q: %q, want %q", c.provider, c.from, s, c.want)
		}
	}
}

func TestKeyringRefuses(t *testing.T) {
	p := readKey(t, "ed25519.pkcs8.pem")
	good := Key{Domain: "example.com", Selector: "s", State: Active, Private: p}
	change := func(f func(*Key)) *Key { k := good; f(&k); return &k }
	for _, c := range []struct {
		provider string
		key      *Key
		want     string
	}{
		{"", change(func(k *Key) { k.Selector = "t" }), "is active, and so is s; one of the two ed25519 keys"},
		{"", change(func(k *Key) { k.State = Pending }), "key s._domainkey.example.com: is there twice"},
		{"", change(func(k *Key) { k.Domain = "" }), "domain: "},
		{"", change(func(k *Key) { k.Domain = "[192.0.2.1]" }), "address literal"},
		{"", change(func(k *Key) { k.Selector = "" }), `selector ""`},
		{"", change(func(k *Key) { k.Selector = "a b" }), `selector "a b"`},
		{"", change(func(k *Key) { k.Selector, k.State = "t", 0 }), "no state"},
		{"", change(func(k *Key) { k.Selector, k.State = "t", Retiring }), "no time when it is retired"},
		{"", change(func(k *Key) { k.Selector, k.Private = "t", nil }), "no private key"},
		{"", change(func(k *Key) { k.Selector, k.Identity = "t", "a@other.example" }), "is not at example.com or a domain below"},
		{"", change(func(k *Key) { k.Selector, k.Identity = "t", "example.com" }), "is not at"},
		{"", change(func(k *Key) { k.Selector, k.Identity = "t", "a;b@example.com" }), "not allowed here"},
		{"other.example", change(func(k *Key) { k.Domain = "example.org" }), "provider's domain other.example has no key"},
		{"..", change(func(k *Key) { k.Domain = "example.org" }), `provider's domain ".."`},
	} {
		if _, err := NewKeyring([]*Key{&good, c.key}, c.provider); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.key, err, c.want)
		}
	}
	if _, err := NewKeyring([]*Key{change(func(k *Key) { k.Selector = "20260801" })}, ""); err != nil {
		t.Errorf("a selector that is a number: %v", err)
	}
}

// TestLoad: every bad file is named with its reason; nothing of it gets in.
func TestLoad(t *testing.T) {
	type want struct{ file, reason string }
	wants := []want{
		{"bad.ec.pem", `PEM block of type "EC PRIVATE KEY"`},
		{"bad.encrypted.pem", "is encrypted"},
		{"bad.public.pem", "is a public key"},
		{"bad.fourprimes.pem", "RSA key of 4 primes"},
		{"bad.three3072.pem", "three primes with 3072 bits"},
		{"bad.cut.pem", "neither PEM nor"},
		{"bad.twokeys.pem", "more than one PEM block"},
		{"bad.seed", "neither PEM nor"},
		{"bad.empty", "is empty"},
		{"not-there", "no such file"},
		{"", "is a directory"},
	}
	files := []KeyFile{{Domain: "example.com", Selector: "good", State: Active, Path: "testdata/two.pkcs1.pem"}}
	for _, w := range wants {
		files = append(files, KeyFile{Domain: "example.com", Selector: "s", State: Pending, Path: filepath.Join("testdata", w.file)})
	}
	_, err := Load(files, "")
	if err == nil {
		t.Fatal("bad files are taken")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(wants) {
		t.Errorf("%d faults, want %d: %v", len(lines), len(wants), err)
	}
	for i, w := range wants {
		if i < len(lines) && (!strings.Contains(lines[i], filepath.Join("testdata", w.file)+": ") || !strings.Contains(lines[i], w.reason)) {
			t.Errorf("%s: %q, want %q", w.file, lines[i], w.reason)
		}
	}
	huge := filepath.Join(t.TempDir(), "huge")
	if err := os.WriteFile(huge, make([]byte, maxKeyFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load([]KeyFile{{Domain: "example.com", Selector: "s", State: Active, Path: huge}}, ""); err == nil {
		t.Error("a huge file is taken")
	}
	ring, err := Load(files[:1], "")
	if err != nil || len(ring.Keys()) != 1 {
		t.Errorf("good file: %v", err)
	}
}

func TestStates(t *testing.T) {
	for s := Pending; s <= Retired; s++ {
		if got, err := ParseState(s.String()); got != s || err != nil {
			t.Errorf("%v: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "Active", "State(0)"} {
		if _, err := ParseState(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}
