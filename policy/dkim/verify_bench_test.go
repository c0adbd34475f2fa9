package dkim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"testing"

	reference "github.com/emersion/go-msgauth/dkim"
)

// BenchmarkVerify verifies a message of 4 KiB, with go-msgauth beside it.
func BenchmarkVerify(b *testing.B) {
	two, ed := key(b, "example.com", "two", "two.pkcs8.pem"), key(b, "example.com", "ed", "ed25519.pkcs8.pem")
	dns := publish(two, ed)
	v := NewVerifier(VerifyOptions{DNS: dns})
	for name, keys := range map[string][]*Key{"rsa": {two}, "ed25519": {ed}, "rsa+ed25519": {two, ed}} {
		mail := signed(b, signer(b, Options{}, "", keys...), "example.com", bulkMessage())
		b.Run(name+"/ours", func(b *testing.B) {
			measure(b, func() {
				if found, _ := v.Verify(b.Context(), mail); found[len(keys)-1].Outcome != Valid {
					b.Fatal(found)
				}
			})
		})
		b.Run(name+"/go-msgauth", func(b *testing.B) {
			lookup := func(name string) ([]string, error) { return dns.LookupTXT(context.Background(), name) }
			measure(b, func() {
				found, err := reference.VerifyWithOptions(bytes.NewReader(mail), &reference.VerifyOptions{LookupTXT: lookup})
				if err != nil || found[len(keys)-1].Err != nil {
					b.Fatal(found, err)
				}
			})
		})
	}
}

// BenchmarkPublicKey is the operation with an RSA key of 2,048 bits alone.
func BenchmarkPublicKey(b *testing.B) {
	private := readKey(b, "two.pkcs8.pem")
	digest := sha256.Sum256(nil)
	signature, err := private.sign(&digest)
	if err != nil {
		b.Fatal(err)
	}
	ours, err := newRSAVerifier(&private.rsa.PublicKey)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("ours", func(b *testing.B) {
		measure(b, func() {
			if !ours.verify(&digest, signature) {
				b.Fatal("not valid")
			}
		})
	})
	b.Run("crypto-rsa", func(b *testing.B) {
		measure(b, func() {
			if err := rsa.VerifyPKCS1v15(&private.rsa.PublicKey, crypto.SHA256, digest[:], signature); err != nil {
				b.Fatal(err)
			}
		})
	})
}
