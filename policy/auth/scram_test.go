package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"
)

// The example of RFC 7677 3, word by word.
func TestRFC7677(t *testing.T) {
	w := newWorld(t)
	w.add("user")
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	s := &Secret{scram: scramKeys{iterations: 4096, salt: salt}}
	if err := s.scram.set("pencil"); err != nil {
		t.Fatal(err)
	}
	w.book.publish("user", &record{Credential: Credential{Name: "user"}, current: s})
	w.auth.scramNonce = func() string { return "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0" }
	got := w.play(ScramSHA256, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"+
		"|c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=|")
	want := "+r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096" +
		"|+v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=|ok"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// scramTalk lets a client of another make log in. It returns the server's first message too.
func (w *world) scramTalk(mechanism string, state *tls.ConnectionState, c *scram.ClientConversation) (first string, live *Live, err error) {
	x, err := w.auth.Begin(ctx, mechanism, Client{Addr: here, TLS: state})
	if err != nil {
		return "", nil, err
	}
	response, err := c.Step("")
	for range 3 {
		if err != nil {
			return first, nil, err
		}
		challenge, done, err := x.Next([]byte(response))
		if err != nil || done {
			return first, x.Live(), err
		}
		if x.Live() != nil {
			w.t.Error("logged in before the end")
		}
		if first == "" {
			first = string(challenge)
		}
		if response, err = c.Step(string(challenge)); err != nil {
			return first, nil, err
		}
	}
	return first, nil, errors.New("no end")
}

func scramClient(t testing.TB, name, secret string) *scram.Client {
	t.Helper()
	c, err := scram.SHA256.NewClient(name, secret, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestScram(t *testing.T) {
	w := newWorld(t)
	w.add("ann,=@example.com") // characters that SCRAM escapes
	try := func(name, secret string) error {
		t.Helper()
		conv := scramClient(t, name, secret).NewConversation()
		_, live, err := w.scramTalk(ScramSHA256, nil, conv)
		if (live != nil) != (err == nil) || err == nil && !conv.Valid() {
			t.Errorf("%v, %v", live, err)
		}
		return err
	}
	if err := try("Ann,=@example.com", secret); err != nil {
		t.Error(err)
	}
	if err := try("ann,=@example.com", "wrong"); err != ErrFailed {
		t.Error(err)
	}
	if err := try("nobody", secret); err != ErrFailed {
		t.Error(err)
	}
	// For the time of a rotation either secret is good.
	if _, err := w.book.Rotate(ctx, "ann,=@example.com", "a new secret", time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{secret, "a new secret"} {
		if err := try("ann,=@example.com", s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	w.clock = w.clock.Add(time.Hour)
	if err := try("ann,=@example.com", secret); err != ErrFailed {
		t.Error(err)
	}
	if err := try("ann,=@example.com", "a new secret"); err != nil {
		t.Error(err)
	}
	if err := w.book.Disable(ctx, "ann,=@example.com", true); err != nil {
		t.Fatal(err)
	}
	if err := try("ann,=@example.com", "a new secret"); err != ErrFailed {
		t.Error(err)
	}
}

// A name that is not there has a salt that looks like others and never changes.
func TestScramFakeSalt(t *testing.T) {
	w := newWorld(t)
	w.add("app")
	salt := func(name string) string {
		first, _, err := w.scramTalk(ScramSHA256, nil, scramClient(t, name, "wrong").NewConversation())
		if err != ErrFailed {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(first, ",")
		return rest
	}
	app, nobody, other := salt("app"), salt("nobody"), salt("other")
	w.reopen()
	if salt("app") != app || salt("nobody") != nobody || salt("NOBODY") != nobody || len(app) != len(nobody) || other == nobody {
		t.Errorf("%s %s %s, after a restart %s %s", app, nobody, other, salt("app"), salt("nobody"))
	}
	if !strings.HasSuffix(app, ",i=4096") || !strings.HasSuffix(nobody, ",i=4096") {
		t.Error("the iterations tell who exists")
	}
}

// handshake returns the states of both ends of a connection.
func handshake(t testing.TB, version uint16) (client, server tls.ConnectionState) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mx.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	s := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, SessionTicketsDisabled: true})
	c := tls.Client(a, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
	done := make(chan error, 1)
	go func() { done <- s.Handshake() }()
	if err := errors.Join(c.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return c.ConnectionState(), s.ConnectionState()
}

func TestScramPlus(t *testing.T) {
	w := newWorld(t)
	w.add("app")
	client := scramClient(t, "app", secret)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		mine, theirs := handshake(t, version)
		elsewhere, _ := handshake(t, version)
		if got := w.auth.Mechanisms(&theirs); !slices.Equal(got, DefaultMechanisms()) {
			t.Errorf("%x: %v", version, got)
		}
		exporter := func(s *tls.ConnectionState) scram.ChannelBinding {
			b, err := scram.NewTLSExporterBinding(s)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		try := func(mechanism string, c *scram.ClientConversation, want error) {
			t.Helper()
			if _, live, err := w.scramTalk(mechanism, &theirs, c); err != want || (live != nil) != (want == nil) {
				t.Errorf("%x: %v, %v", version, live, err)
			}
		}
		try(ScramSHA256Plus, client.NewConversationWithChannelBinding(exporter(&mine)), nil)
		try(ScramSHA256, client.NewConversation(), nil)
		// Somebody in the middle has two connections.
		try(ScramSHA256Plus, client.NewConversationWithChannelBinding(exporter(&elsewhere)), ErrFailed)
		// Somebody took -PLUS off the list.
		try(ScramSHA256, client.NewConversationAdvertisingChannelBinding(), ErrFailed)
		// The flag and the mechanism do not go together.
		try(ScramSHA256Plus, client.NewConversation(), ErrMalformed)
		try(ScramSHA256, client.NewConversationWithChannelBinding(exporter(&mine)), ErrMalformed)
		unique := scram.NewTLSUniqueBinding([]byte("x"))
		if version == tls.VersionTLS12 {
			try(ScramSHA256Plus, client.NewConversationWithChannelBinding(scram.NewTLSUniqueBinding(mine.TLSUnique)), nil)
			try(ScramSHA256Plus, client.NewConversationWithChannelBinding(unique), ErrFailed)
		} else {
			try(ScramSHA256Plus, client.NewConversationWithChannelBinding(unique), ErrMalformed)
		}
		// Where -PLUS is not offered, that flag is in order.
		w.auth = New(w.book, w.guard, []string{ScramSHA256})
		try(ScramSHA256, client.NewConversationAdvertisingChannelBinding(), nil)
		w.auth = New(w.book, w.guard, nil)
	}
}

// A client that does not take the server's proof is not logged in.
func TestScramEnd(t *testing.T) {
	w := newWorld(t)
	w.add("app")
	conv := scramClient(t, "app", secret).NewConversation()
	x, err := w.auth.Begin(ctx, ScramSHA256, Client{Addr: here})
	if err != nil {
		t.Fatal(err)
	}
	var challenge []byte
	for range 2 {
		response, err := conv.Step(string(challenge))
		if err != nil {
			t.Fatal(err)
		}
		if challenge, _, err = x.Next([]byte(response)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := x.Next([]byte("what?")); err != ErrMalformed || x.Live() != nil {
		t.Errorf("%v, %v", x.Live(), err)
	}
}
