package auth

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"

	"github.com/posthaste-mta/posthaste/message"
)

// talk lets a client and an exchange speak to their end, as SMTP would.
func talk(x *Exchange, c sasl.Client) error {
	_, response, err := c.Start()
	if err != nil {
		return err
	}
	for range 10 {
		challenge, done, err := x.Next(response)
		if err != nil || done {
			return err
		}
		if response, err = c.Next(challenge); err != nil {
			return err
		}
	}
	return errors.New("no end")
}

// The clients of go-sasl log in.
func TestSASLClients(t *testing.T) {
	w := newWorld(t)
	w.add("ann@example.com")
	for _, c := range []struct {
		mechanism string
		client    sasl.Client
		want      error
	}{
		{Plain, sasl.NewPlainClient("", "ann@example.com", secret), nil},
		{Plain, sasl.NewPlainClient("ann@example.com", "Ann@Example.com", secret), nil},
		{Plain, sasl.NewPlainClient("bob", "ann@example.com", secret), ErrFailed},
		{Plain, sasl.NewPlainClient("", "ann@example.com", "wrong"), ErrFailed},
		{Plain, sasl.NewPlainClient("", "bob", secret), ErrFailed},
		{Login, sasl.NewLoginClient("ann@example.com", secret), nil},
		{Login, sasl.NewLoginClient("ann@example.com", "wrong"), ErrFailed},
		{Login, sasl.NewLoginClient("bob", secret), ErrFailed},
	} {
		x, err := w.auth.Begin(ctx, c.mechanism, Client{Addr: here})
		if err != nil {
			t.Fatal(err)
		}
		if err := talk(x, c.client); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
		if live := x.Live(); (live != nil) != (c.want == nil) {
			t.Errorf("%+v: %v", c, live)
		}
		if _, _, err := x.Next([]byte("more")); err == nil {
			t.Errorf("%+v: goes on after the end", c)
		}
	}
}

// dialogue is what a client says, "-" for no initial response, and what it gets: a challenge with
// "+", or what comes of it.
func TestResponses(t *testing.T) {
	long := strings.Repeat("x", 256)
	for _, c := range []struct{ mechanism, responses, want string }{
		// The examples of RFC 4616 4.
		{Plain, "-|\x00tim\x00tanstaaftanstaaf", "+|ok"},
		{Plain, "\x00tim\x00tanstaaftanstaaf", "ok"},
		{Plain, "Ursel\x00Kurt\x00xipj3plmqxipj3plmq", "535"},
		{Plain, "Kurt\x00Kurt\x00xipj3plmqxipj3plmq", "ok"},
		{Plain, "", "501"},
		{Plain, "\x00", "501"},
		{Plain, "\x00tim", "501"},
		{Plain, "\x00tim\x00", "501"},
		{Plain, "\x00\x00tanstaaftanstaaf", "501"},
		{Plain, "\x00tim\x00tanstaaftanstaaf\x00", "501"},
		{Plain, "\x00tim\x00tans\x00taaftanstaaf", "501"},
		{Plain, "\x00tim\x00\xff\xfe", "501"},
		{Plain, "\x00" + long + "\x00tanstaaftanstaaf", "501"},
		{Plain, "\x00tim\x00" + long, "501"},
		{Plain, strings.Repeat("\x00", 3000), "501"},
		{Plain, "\x00ti m\x00tanstaaftanstaaf", "535"},
		{Plain, "\x00tim\x00tanstaaf\x07tanstaaf", "535"},
		{Login, "-|tim|tanstaaftanstaaf", "+Username:|+Password:|ok"},
		{Login, "TIM|tanstaaftanstaaf", "+Password:|ok"},
		{Login, "tim|TANSTAAFTANSTAAF", "+Password:|535"},
		{Login, "nobody|tanstaaftanstaaf", "+Password:|535"},
		{Login, "", "501"},
		{Login, "-|", "+Username:|501"},
		{Login, "tim|", "+Password:|501"},
		{Login, "tim\x00|", "501"},
		{Login, "tim|tanstaaf\x00tanstaaf", "+Password:|501"},
		{Login, long, "501"},
		{Login, "tim|" + long, "+Password:|501"},
		{ScramSHA256, "-|x", "+|501"},
		{ScramSHA256, "", "501"},
		{ScramSHA256, "n,,n=tim,r=", "501"},
		{ScramSHA256, "n,,n=,r=abc", "501"},
		{ScramSHA256, "n,,r=abc,n=tim", "501"},
		{ScramSHA256, "n,,m=ext,n=tim,r=abc", "501"},
		{ScramSHA256, "n,,n=ti=m,r=abc", "501"},
		{ScramSHA256, "n,,n=tim\x00,r=abc", "501"},
		{ScramSHA256, "n,,n=tim\xff,r=abc", "501"},
		{ScramSHA256, "p=tls-exporter,,n=tim,r=abc", "501"},
		{ScramSHA256, "n,a=Kurt,n=tim,r=abc", "535"},
		{ScramSHA256, strings.Repeat("n", 3000), "501"},
	} {
		w := newWorld(t)
		for name, secret := range map[string]string{"tim": "tanstaaftanstaaf", "Kurt": "xipj3plmqxipj3plmq"} {
			if _, err := w.book.Add(ctx, Credential{Name: name}, secret); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.play(c.mechanism, c.responses); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.mechanism, c.responses, got, c.want)
		}
	}
}

func (w *world) play(mechanism, responses string) string {
	x, err := w.auth.Begin(ctx, mechanism, Client{Addr: here})
	if err != nil {
		w.t.Fatal(err)
	}
	var said []string
	for i, text := range strings.Split(responses, "|") {
		response := []byte(text)
		if i == 0 && text == "-" {
			response = nil
		}
		challenge, done, err := x.Next(response)
		var st message.Status
		switch {
		case errors.As(err, &st):
			return strings.Join(append(said, st.String()[:3]), "|")
		case err != nil:
			w.t.Fatalf("an error that is no reply: %v", err)
		case done:
			return strings.Join(append(said, "ok"), "|")
		}
		said = append(said, "+"+string(challenge))
	}
	return strings.Join(said, "|")
}

// What a client can see is the same for a wrong secret, a name that is not there, a disabled one, and
// a secret that can be none; so is the work.
func TestNoHint(t *testing.T) {
	for _, mechanism := range []string{Plain, Login} {
		for _, name := range []string{"app", "off", "nobody", "bad name", "\u0627\u0031"} {
			w := newWorld(t)
			w.add("app")
			w.add("off")
			if err := w.book.Disable(ctx, "off", true); err != nil {
				t.Fatal(err)
			}
			for i, guess := range []string{"wrong", "wrong", "other", "bad \x07 secret"} {
				x, err := w.auth.Begin(ctx, mechanism, Client{Addr: here})
				if err != nil {
					t.Fatal(err)
				}
				var client sasl.Client = sasl.NewPlainClient("", name, guess)
				if mechanism == Login {
					client = sasl.NewLoginClient(name, guess)
				}
				if err := talk(x, client); err != ErrFailed {
					t.Errorf("%s %s: %v", mechanism, name, err)
				}
				cached := []uint64{0, 1, 1, 1}[i]
				if m := w.auth.Metrics(); m.Cached != cached || m.Failed != uint64(i+1) {
					t.Errorf("%s %s, %d: %+v", mechanism, name, i, m)
				}
			}
		}
	}
}

func TestMechanisms(t *testing.T) {
	w := newWorld(t)
	some := New(w.book, w.guard, []string{Login, "GSSAPI"})
	if got := some.Mechanisms(nil); len(got) != 1 || got[0] != Login {
		t.Error(got)
	}
	for _, m := range []string{Plain, "GSSAPI", ScramSHA256Plus, ""} {
		if _, err := some.Begin(ctx, m, Client{Addr: here}); err != ErrMechanism {
			t.Errorf("%s: %v", m, err)
		}
	}
	if _, err := w.auth.Begin(ctx, ScramSHA256Plus, Client{Addr: here}); err != ErrMechanism {
		t.Errorf("-PLUS without TLS: %v", err)
	}
}

// A line of logins before the argon2 is bounded; a session that ends leaves it.
func TestBusy(t *testing.T) {
	w := newWorld(t)
	w.add("app")
	for range maxHashing {
		w.book.hasher.slots <- struct{}{}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	x, err := w.auth.Begin(gone, Plain, Client{Addr: here})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := x.Next([]byte("\x00app\x00" + secret)); err != ErrBusy {
		t.Error(err)
	}
	w.book.hasher.waiting.Store(maxHashWaiting)
	if _, err := w.login(here, "app", secret); err != ErrBusy {
		t.Error(err)
	}
	if m := w.auth.Metrics(); m.Busy != 2 || m.Failed != 0 {
		t.Errorf("%+v", m)
	}
}

func FuzzExchange(f *testing.F) {
	for _, m := range []byte{0, 1, 2} {
		f.Add(m, []byte("\x00tim\x00tanstaaftanstaaf"), []byte(nil), []byte(nil))
		f.Add(m, []byte("tim"), []byte("tanstaaftanstaaf"), []byte(nil))
		f.Add(m, []byte("n,,n=tim,r=abc"), []byte("c=biws,r=abc0,p=AAAA"), []byte(""))
		f.Add(m, []byte("y,a=t=2Cm,n=t=3Dm,r=abc,x=y"), []byte("c=eSws,r=abc0,x=y,p=AAAA"), []byte(""))
	}
	f.Add(byte(3), []byte("p=tls-exporter,,n=tim,r=abc"), []byte("c=cD10bHMtZXhwb3J0ZXIsLA==,r=abc0,p=AAAA"), []byte(""))
	f.Add(byte(3), []byte("p=tls-unique,,n=tim,r=abc"), []byte("c=,r=abc0,p="), []byte("="))
	f.Add(byte(3), []byte("p=tls-exporter,a=tim,n=tim,r=abc"), []byte("c=cD10bHMtZXhwb3J0ZXIsYT10aW0sAAAAAAAAAAA=,r=abc0,p=AAAA"), []byte(""))
	_, bound := handshake(f, tls.VersionTLS13)
	w := newWorld(f)
	w.guard.o.AddressFailures, w.guard.o.NameFailures = 1e9, 1e9
	w.add("tim")
	w.auth.scramNonce = func() string { return "0" }
	f.Fuzz(func(t *testing.T, which byte, a, b, c []byte) {
		mechanism := []string{Plain, Login, ScramSHA256, ScramSHA256Plus}[int(which)%4]
		x, err := w.auth.Begin(ctx, mechanism, Client{Addr: here, TLS: &bound})
		if err != nil {
			t.Fatal(err)
		}
		for _, response := range [][]byte{a, b, c} {
			challenge, done, err := x.Next(response)
			if err != nil && err != ErrFailed && err != ErrMalformed {
				t.Fatalf("%v", err)
			}
			if done && !strings.Contains(string(a)+string(b), secret) || done != (x.Live() != nil) {
				t.Fatalf("%s let %q %q %q in", mechanism, a, b, c)
			}
			if len(challenge) > 3*maxResponse {
				t.Fatalf("challenge of %d bytes", len(challenge))
			}
		}
	})
}
