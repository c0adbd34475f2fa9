package dkim

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	reference "github.com/emersion/go-msgauth/dkim"
)

// now is when the tests sign. go-msgauth compares x= with the real clock, so that what it is to verify
// has to expire late or never.
var now = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

// records is a DNS that has TXT records only.
type records map[string][]string

func (r records) LookupTXT(_ context.Context, name string) ([]string, error) {
	switch texts := r[name]; {
	case len(texts) == 1 && texts[0] == "SERVFAIL":
		return nil, &net.DNSError{Name: name, Err: "server misbehaving", IsTemporary: true}
	case texts == nil:
		return nil, &net.DNSError{Name: name, Err: "no such host", IsNotFound: true}
	default:
		return texts, nil
	}
}

// publish returns the records of the keys.
func publish(keys ...*Key) records {
	r := records{}
	for _, k := range keys {
		r[k.String()] = []string{k.Private.RecordText()}
	}
	return r
}

// key makes an active key of a file in testdata.
func key(t testing.TB, domain, selector, file string) *Key {
	return &Key{Domain: domain, Selector: selector, State: Active, Private: readKey(t, file)}
}

func keyring(t testing.TB, provider string, keys ...*Key) *Keyring {
	t.Helper()
	r, err := NewKeyring(keys, provider)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func signer(t testing.TB, opts Options, provider string, keys ...*Key) *Signer {
	t.Helper()
	s, err := NewSigner(keyring(t, provider, keys...), opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verify returns what go-msgauth says of the signatures of a message, in their order: "domain ok" or
// "domain" and the fault.
func verify(t testing.TB, dns records, mail []byte) []string {
	t.Helper()
	lookup := func(name string) ([]string, error) { return dns.LookupTXT(context.Background(), name) }
	results, err := reference.VerifyWithOptions(bytes.NewReader(mail), &reference.VerifyOptions{LookupTXT: lookup})
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	var said []string
	for _, r := range results {
		verdict := "ok"
		if r.Err != nil {
			verdict = r.Err.Error()
		}
		said = append(said, r.Domain+" "+verdict)
	}
	return said
}

func crlf(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

// signed signs a message and returns it with its signatures in front.
func signed(t testing.TB, s *Signer, from string, mail []byte) []byte {
	t.Helper()
	out, err := s.Sign(mail, from, now)
	if err != nil {
		t.Fatal(err)
	}
	return append(out.Fields, mail...)
}
