package dkim

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// outcomes tells what is found out about the signatures of a message.
func outcomes(t testing.TB, v *Verifier, mail []byte) string {
	t.Helper()
	found, ignored := v.Verify(t.Context(), mail)
	var said []string
	for _, f := range found {
		word := [...]string{Valid: "valid", Partial: "partial", Undecided: "undecided", Invalid: "invalid", Unusable: "unusable"}[f.Outcome]
		if f.Reason != "" {
			word += ": " + f.Reason
		}
		said = append(said, word)
	}
	if ignored > 0 {
		said = append(said, fmt.Sprint(ignored, " ignored"))
	}
	return strings.Join(said, ", ")
}

// TestVerdicts is what is said of a signature by the words of RFC 6376 that signs by its tags and whose key has this record.
func TestVerdicts(t *testing.T) {
	private := readKey(t, "ed25519.pkcs8.pem")
	const good = "v=DKIM1; k=ed25519"
	for _, c := range []struct{ name, tags, record, want string }{
		{"plain", "", good, "valid"},
		{"no version in the record", "", "k=ed25519", "valid"},
		{"other version", "v=2", good, "unusable: incompatible signature version"},
		{"expired", "x=1785585599", good, "invalid: signature has expired"},
		{"expires now", "x=1785585600", good, "valid"},
		{"expires before it was made", "t=1785589999; x=1785589998", good, "unusable: malformed expiration time"},
		{"time with a sign", "t=+1", good, "unusable: malformed time"},
		{"body length", "l=3", good, "partial: message contains an insecure body length tag"},
		{"body length and no key", "l=3; s=none", good, "unusable: no key for signature"},
		{"From not signed", "h=to:subject", good, "unusable: From field not signed"},
		{"tag twice", "zz=1; zz=2", good, "unusable: malformed signature tags: duplicate tag name"},
		{"tag twice in two cases", "zz=1; zZ=2", good, "valid"},
		{"no tag", "what", good, "unusable: malformed signature tags: malformed tag"},
		{"many tags", manyTags(), good, "unusable: malformed signature tags: too many tags"},
		{"tags in folds", "c=\r\n\trelaxed / \r\n simple ; z=From:a|b=yz", good, "valid"},
		{"weak hash", "a=rsa-sha1", good, "invalid: hash algorithm too weak: sha1"},
		{"other kind of key", "a=rsa-sha256", good, "unusable: inappropriate key algorithm"},
		{"other query", "q=http", good, "unusable: unsupported public key query method"},
		{"two queries", "q=http:dns/txt", good, "valid"},
		{"identity below", "i=joe@sub.example.com", good, "valid"},
		{"identity in capitals", "i=joe@EXAMPLE.com", good, "valid"},
		{"identity elsewhere", "i=joe@badexample.com", good, "unusable: domain mismatch"},
		{"identity without an at sign", "i=sub.example.com", good, "unusable: domain mismatch"},
		{"identity below, and an exact key", "i=@sub.example.com", good + "; t=y:s", "unusable: domain mismatch"},
		{"identity, and an exact key", "i=joe@example.com", good + "; t=s", "valid"},
		{"no identity, and an exact key", "", good + "; t=s", "valid"},
		{"domain in U-labels", "d=b\u00fccher.example", good, "valid"},
		{"selector in U-labels", "d=b\u00fccher.example; s=b\u00fccher", good, "valid"},
		{"domain that is none", "d=example..com", good, "unusable: malformed domain"},
		{"domain that is an address", "d=[192.0.2.1]", good, "unusable: malformed domain"},
		{"domain not in UTF-8", "d=\xffexample.com", good, "unusable: malformed domain"},
		{"its own field signed", "h=from:dkim-signature", good, "valid"},
		{"revoked", "s=revoked", good, "unusable: key revoked"},
		{"two records", "s=twice", good, "unusable: multiple TXT records found for key"},
		{"no answer", "s=servfail", good, "undecided: key unavailable for now"},
		{"long record", "s=long", good, "unusable: key record is too long"},
		{"hash not permitted", "", good + "; h=sha1", "unusable: inappropriate hash algorithm"},
		{"hash permitted", "", good + "; h=sha1: sha256", "valid"},
		{"other service", "", good + "; s=tlsrpt", "unusable: inappropriate service"},
		{"all services", "", good + "; s=tlsrpt:*", "valid"},
		{"record of another version", "", "v=DKIM2; k=ed25519", "unusable: bad key record: v=DKIM1 has to be its first tag"},
		{"tag twice in the record", "", good + "; k=ed25519", "unusable: bad key record: bad tag list: k is there twice"},
		{"kind that nobody knows", "", "k=x", "unusable: unsupported key algorithm"},
		{"key of another kind", "a=rsa-sha256", "k=rsa", "unusable: key syntax error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dns := records{
				"revoked._domainkey.example.com": {good + "; p="}, "twice._domainkey.example.com": {good, good},
				"servfail._domainkey.example.com": {"SERVFAIL"}, "long._domainkey.example.com": {good + "; n=" + strings.Repeat("x", maxKeyRecord)},
			}
			for _, name := range []string{"ed._domainkey.example.com", "ed._domainkey.xn--bcher-kva.example", "xn--bcher-kva._domainkey.xn--bcher-kva.example"} {
				dns[name] = []string{c.record + "; p=" + private.Public()}
			}
			v := NewVerifier(VerifyOptions{DNS: dns, Now: func() time.Time { return now }})
			mail := spec(withTags(c.tags), string(crlf(goodHeader)), string(crlf(goodBody)), private.ed)
			if got := outcomes(t, v, []byte(mail)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			for _, change := range [][2]string{{"Hello", "Hullo"}, {"Ann <", "Bob <"}, {"; h=", "; zz=1; h="}} {
				changed := strings.Replace(mail, change[0], change[1], 1)
				if got := outcomes(t, v, []byte(changed)); changed != mail && strings.Contains(got, "valid") && !strings.Contains(got, "invalid") {
					t.Errorf("%q is valid too", changed)
				}
			}
		})
	}
}

func manyTags() string {
	var b strings.Builder
	for i := range maxTags {
		fmt.Fprintf(&b, "x%d=;", i)
	}
	return b.String()
}

// TestSomeOfMany: the bound is kept, one hash of the body serves all, and what one signature covers does not keep another from it.
func TestSomeOfMany(t *testing.T) {
	two, ed := key(t, "example.com", "two", "two.pkcs8.pem"), key(t, "example.com", "ed", "ed25519.pkcs8.pem")
	mail := signed(t, signer(t, Options{}, "", two, ed), "example.com", crlf(letter))
	v := NewVerifier(VerifyOptions{DNS: publish(two, ed), MaxSignatures: 3})
	if got := outcomes(t, v, mail); got != "valid, valid" {
		t.Error(got)
	}
	one := mail[:strings.Index(string(mail), "\r\nDKIM-")+2]
	if got := outcomes(t, v, append([]byte(strings.Repeat(string(one), 3)), mail...)); got != "valid, valid, valid, 2 ignored" {
		t.Error(got)
	}
	if got := outcomes(t, v, crlf(letter)); got != "" {
		t.Error(got)
	}
}

// TestOutOfTime: a resolver that gives up because the time is over says nothing of the key.
func TestOutOfTime(t *testing.T) {
	ed := key(t, "example.com", "ed", "ed25519.pkcs8.pem")
	mail := signed(t, signer(t, Options{}, "", ed), "example.com", crlf(letter))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	found, _ := NewVerifier(VerifyOptions{DNS: hanging{}}).Verify(ctx, mail)
	if len(found) != 1 || found[0].Outcome != Undecided || found[0].Reason != "out of time" || found[0].Domain != "example.com" {
		t.Errorf("%+v", found)
	}
}

// hanging answers nothing as long as it may.
type hanging struct{}

func (hanging) LookupTXT(ctx context.Context, _ string) ([]string, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestChangedRecord: a key is used as long as its record has it.
func TestChangedRecord(t *testing.T) {
	ed, other := key(t, "example.com", "ed", "ed25519.pkcs8.pem"), key(t, "example.com", "ed", "rfc8463.ed25519.seed")
	mail := signed(t, signer(t, Options{}, "", ed), "example.com", crlf(letter))
	dns := publish(ed)
	v := NewVerifier(VerifyOptions{DNS: dns, Keys: 2})
	for _, step := range []struct{ record, want string }{
		{ed.Private.RecordText(), "valid"}, {other.Private.RecordText(), "invalid: signature did not verify"},
		{"v=DKIM1; p=", "unusable: key revoked"}, {ed.Private.RecordText(), "valid"},
	} {
		dns[ed.String()] = []string{step.record}
		if got := outcomes(t, v, mail); got != step.want {
			t.Errorf("got %s, want %s", got, step.want)
		}
	}
	if n := v.keys.Len(); n > 2 {
		t.Errorf("%d keys are kept", n)
	}
}

// TestRSAAgainstGo compares the operation with crypto/rsa: for signatures, and for what is nearly one.
func TestRSAAgainstGo(t *testing.T) {
	private := readKey(t, "two.pkcs8.pem").rsa
	public := &private.PublicKey
	ours, err := newRSAVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("x"))
	good, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	check := func(t interface{ Errorf(string, ...any) }, signature []byte) {
		theirs := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
		if got := ours.verify(&digest, signature); got != theirs {
			t.Errorf("ours %v, theirs %v: %x", got, theirs, signature)
		}
	}
	if !ours.verify(&digest, good) {
		t.Fatal("a good signature does not verify")
	}
	n := new(big.Int).SetBytes(good)
	for _, s := range [][]byte{nil, good[1:], append([]byte{0}, good...), make([]byte, len(good)), public.N.Bytes(),
		n.Add(n, public.N).FillBytes(make([]byte, len(good)+1)), new(big.Int).Sub(public.N, big.NewInt(1)).Bytes()} {
		check(t, s)
	}
	// Encodings that are wrong in one place, and so made with the private key.
	em := encodePKCS1(&digest)
	rapid.Check(t, func(t *rapid.T) {
		bad := em
		at := rapid.IntRange(0, len(bad)-1).Draw(t, "at")
		bad[at] ^= byte(rapid.IntRange(0, 255).Draw(t, "flip"))
		m := new(big.Int).SetBytes(bad[:])
		if m.Cmp(public.N) >= 0 {
			return
		}
		signature := m.Exp(m, private.D, public.N).FillBytes(make([]byte, len(good)))
		check(t, signature)
		if ours.verify(&digest, signature) != (bad == em) {
			t.Errorf("octet %d changed: still verifies", at)
		}
	})
}

// TestBadPublicKeys: keys that crypto/rsa would not use are not used.
func TestBadPublicKeys(t *testing.T) {
	good := readKey(t, "two.pkcs8.pem").rsa.PublicKey
	for name, k := range map[string]rsa.PublicKey{
		"even modulus": {N: new(big.Int).Add(good.N, big.NewInt(1)), E: good.E}, "exponent 1": {N: good.N, E: 1},
		"even exponent": {N: good.N, E: 65538}, "large exponent": {N: good.N, E: 1<<31 + 1}, "negative": {N: good.N, E: -3},
		"no modulus": {N: new(big.Int), E: 3},
	} {
		if _, err := newRSAVerifier(&k); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for text, want := range map[string]string{
		"p=" + base64.StdEncoding.EncodeToString([]byte("x")): "key syntax error", "k=ed25519; p=AAAA": "key syntax error",
		"p=!": "bad key record: p= is no base64", "k=rsa": "bad key record: without p=",
	} {
		if k := readPublicKey(text); k.outcome != Unusable || k.reason != want {
			t.Errorf("%s: %v %s", text, k.outcome, k.reason)
		}
	}
}
