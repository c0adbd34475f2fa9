package nexthop

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		login Login
		want  string
	}{
		{Login{User: "ann@example.com", Password: "secret"}, ""},
		{Login{ImplicitTLS: true}, ""},
		{Login{User: "ann"}, "a user without a password"},
		{Login{Password: "x"}, "a password without a user"},
		{Login{User: "ann\x00", Password: "x"}, "control characters"},
		{Login{User: "ann", Password: "x\r\ny"}, "control characters"},
		{Login{User: "ann", Password: "\xff"}, "UTF-8"},
		{Login{User: strings.Repeat("a", 256), Password: "x"}, "255"},
	} {
		err := c.login.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.login, err, c.want)
		}
	}
}

func TestAt(t *testing.T) {
	l := Logins{Key("Smtp.Example.com", 465): {User: "ann"}, Key("[192.0.2.1]", 587): {User: "bob"}}
	for _, c := range []struct {
		host string
		port uint16
		want string
	}{
		{"smtp.example.com", 465, "ann"}, {"smtp.example.com", 25, ""}, {"[192.0.2.1]", 587, "bob"}, {"example.com", 465, ""},
	} {
		if got, ok := l.At(c.host, c.port); got.User != c.want || ok != (c.want != "") {
			t.Errorf("%s:%d: %q, %v", c.host, c.port, got.User, ok)
		}
	}
	if _, ok := Logins(nil).At("x", 1); ok {
		t.Error("found in nothing")
	}
}

func TestMechanisms(t *testing.T) {
	l := Login{User: "ann", Password: "secret"}
	for offered, want := range map[string]string{
		"LOGIN PLAIN SCRAM-SHA-256 XOAUTH2": "SCRAM-SHA-256 PLAIN LOGIN",
		"LOGIN PLAIN":                       "PLAIN LOGIN",
		"LOGIN":                             "LOGIN",
		"XOAUTH2 CRAM-MD5":                  "",
		"":                                  "",
	} {
		var got []string
		for _, m := range l.Mechanisms(strings.Fields(offered)) {
			got = append(got, m.Name())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q", offered, got)
		}
	}
}

func TestPlainAndLogin(t *testing.T) {
	l := &Login{User: "ann", Password: "secret"}
	p := newPlain(l)
	if first, err := p.Start(); err != nil || string(first) != "\x00ann\x00secret" || p.Finish() != nil {
		t.Errorf("%q %v", first, err)
	}
	if _, err := p.Next(nil); err == nil {
		t.Error("PLAIN has more")
	}
	m := newTyped(l)
	if first, err := m.Start(); first != nil || err != nil {
		t.Errorf("LOGIN speaks first: %q %v", first, err)
	}
	for _, want := range []string{"ann", "secret"} {
		if got, err := m.Next([]byte("whatever:")); err != nil || string(got) != want {
			t.Errorf("%q %v", got, err)
		}
	}
	if _, err := m.Next(nil); err == nil {
		t.Error("LOGIN has more")
	}
}

// The exchange of RFC 7677 3.
func TestSCRAMExample(t *testing.T) {
	m := &proof{login: &Login{User: "user", Password: "pencil"}, nonce: func() string { return "rOprNGfwEbeRWgbNEkqO" }}
	first, err := m.Start()
	if want := "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"; string(first) != want || err != nil {
		t.Fatalf("%q %v", first, err)
	}
	second, err := m.Next([]byte("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"))
	if want := "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="; string(second) != want || err != nil {
		t.Fatalf("%q %v", second, err)
	}
	if m.Finish() == nil {
		t.Error("believed before the proof")
	}
	third, err := m.Next([]byte("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="))
	if len(third) != 0 || err != nil || m.Finish() != nil {
		t.Errorf("%q %v %v", third, err, m.Finish())
	}
}

func TestSCRAMRefuses(t *testing.T) {
	const first = "r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i="
	for what, challenges := range map[string][]string{
		"too few iterations":  {first + "1"},
		"too many iterations": {first + "2000001"},
		"an absurd number":    {first + "99999999999999999999999"},
		"another nonce":       {"r=xyz,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"},
		"no message":          {"what?"},
		"the wrong proof":     {first + "4096", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
		"an error":            {first + "4096", "e=other-error"},
	} {
		m := &proof{login: &Login{User: "ann", Password: "secret"}, nonce: func() string { return "abc" }}
		if _, err := m.Start(); err != nil {
			t.Fatal(err)
		}
		var err error
		for _, c := range challenges {
			_, err = m.Next([]byte(c))
		}
		if err == nil || m.Finish() == nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	bad := &proof{login: &Login{User: "ann", Password: "secret\u0007"}}
	if _, err := bad.Start(); err == nil {
		t.Error("a password that cannot be prepared")
	}
}

// A server that knows the stored keys and nothing else is believed, also with a name that has the mechanism's own
// characters.
func TestSCRAMAgainstServer(t *testing.T) {
	for _, user := range []string{"ann@example.com", "a=b,c", "änne"} {
		client, err := scram.SHA256.NewClient(user, "s3crét", "")
		if err != nil {
			t.Fatal(err)
		}
		keys, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt of it", Iters: 4096})
		if err != nil {
			t.Fatal(err)
		}
		server, err := scram.SHA256.NewServer(func(name string) (scram.StoredCredentials, error) {
			if name != user {
				t.Errorf("asked for %q", name)
			}
			return keys, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		m, peer := newSCRAM(&Login{User: user, Password: "s3crét"}), server.NewConversation()
		say, err := m.Start()
		for range 2 {
			var challenge string
			if err == nil {
				challenge, err = peer.Step(string(say))
			}
			if err == nil {
				say, err = m.Next([]byte(challenge))
			}
		}
		if err != nil || m.Finish() != nil || !peer.Valid() {
			t.Errorf("%s: %v, %v", user, err, m.Finish())
		}
	}
}

// Whatever a server says, it is not believed: it cannot know the password.
func FuzzSCRAM(f *testing.F) {
	salt := base64.StdEncoding.EncodeToString([]byte("salt"))
	f.Add([]byte("r=abcd,s="+salt+",i=4096"), []byte("v=AAAA"))
	f.Add([]byte("r=abc,s=,i=4096"), []byte("e=no"))
	f.Add([]byte("m=x,r=abc,s="+salt+",i=4096,i=5"), []byte(""))
	f.Add([]byte(",,=,i=,"), []byte("v="))
	f.Fuzz(func(t *testing.T, first, final []byte) {
		if bytes.Contains(first, []byte("i=")) && len(first) > 0 && bytes.ContainsAny(first, "56789") {
			return // many iterations: right, and slow
		}
		m := &proof{login: &Login{User: "ann", Password: "secret"}, nonce: func() string { return "abc" }}
		if _, err := m.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Next(first); err != nil {
			return
		}
		if _, err := m.Next(final); err == nil || m.Finish() == nil {
			t.Errorf("believed %q %q", first, final)
		}
	})
}
