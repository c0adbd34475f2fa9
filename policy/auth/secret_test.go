package auth

import (
	"strings"
	"testing"
)

func mustSecret(t testing.TB, text string) *Secret {
	t.Helper()
	s, err := makeSecret(text, cheap(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The hashes are those that others make of the same secret, and are read back as they were.
func TestHashes(t *testing.T) {
	// The argon2id reference program: echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32
	const reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	s, err := ParseSecret(reference, "")
	if err != nil {
		t.Fatal(err)
	}
	if !s.argon.matches(s.argon.derive("password")) || s.argon.matches(s.argon.derive("Password")) {
		t.Error("not the reference's hash")
	}
	argon, keys := mustSecret(t, secret).Hashes()
	again, err := ParseSecret(argon, keys)
	if err != nil {
		t.Fatal(err)
	}
	if a, k := again.Hashes(); a != argon || k != keys {
		t.Errorf("%s %s became %s %s", argon, keys, a, k)
	}
}

func FuzzParseSecret(f *testing.F) {
	argon, keys := mustSecret(f, secret).Hashes()
	f.Add(argon, keys)
	f.Add(argon, "")
	f.Add("$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "")
	f.Add(argon, strings.Replace(keys, "4096", "999999999999", 1))
	f.Fuzz(func(t *testing.T, argon, keys string) {
		s, err := ParseSecret(argon, keys)
		if err != nil {
			return
		}
		if s.argon.kib > maxArgonKiB || s.argon.passes > maxArgonPasses || s.scram.iterations > maxScramIterations {
			t.Fatalf("%q %q would cost too much", argon, keys)
		}
		if a, k := s.Hashes(); a != argon || k != keys {
			t.Fatalf("%q %q became %q %q", argon, keys, a, k)
		}
	})
}

func TestGenerateSecret(t *testing.T) {
	a, b := GenerateSecret(), GenerateSecret()
	if a == b || len(a) != 26 || strings.Trim(a, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		t.Errorf("%s %s", a, b)
	}
}

func TestPrepare(t *testing.T) {
	// The examples of RFC 4013 3.
	for in, want := range map[string]string{"I\u00adX": "IX", "user": "user", "USER": "USER", "\u00aa": "a", "\u2168": "IX"} {
		if got, ok := preparedSecret(in); !ok || got != want {
			t.Errorf("%q became %q, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "\u0007", "\u0627\u0031", "a\x00b", "\xff", "\u00ad"} {
		if got, ok := preparedSecret(in); ok {
			t.Errorf("%q became %q", in, got)
		}
	}
	for _, in := range []string{"Ann@Example.COM", "ann@example.com", "\uff41nn@example.com"} {
		if got, _ := nameKey(in); got != "ann@example.com" {
			t.Errorf("%q became %q", in, got)
		}
	}
	for in, want := range map[string]string{
		"Ann@BÜCHER.test": "ann@xn--bcher-kva.test", "ann@xn--bcher-kva.test": "ann@xn--bcher-kva.test",
		"jörg": "jörg", "jörg@a.test": "jörg@a.test", "a@ü..test": "a@ü..test",
	} {
		if got, _ := nameKey(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
