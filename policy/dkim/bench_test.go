package dkim

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"syscall"
	"testing"

	reference "github.com/emersion/go-msgauth/dkim"
)

// measure reports the CPU time of f beside the time on the clock, which on a busy machine tells little.
func measure(b *testing.B, f func()) {
	b.ReportAllocs()
	var before, after syscall.Rusage
	n := 0
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for b.Loop() {
		f()
		n++
	}
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(cpu)/float64(n), "cpu-ns/op")
}

// BenchmarkKey is the operation with the private key alone.
func BenchmarkKey(b *testing.B) {
	digest := sha256.Sum256(nil)
	run := func(name string, sign func(*[sha256.Size]byte) ([]byte, error)) {
		b.Run(name, func(b *testing.B) {
			measure(b, func() {
				if _, err := sign(&digest); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
	two, three := readKey(b, "two.pkcs8.pem"), readKey(b, "three.pkcs8.pem")
	run("go-2", goRSA{two.rsa}.sign)
	run("go-3", goRSA{three.rsa}.sign)
	ours, err := newThreePrimes(three.rsa)
	if err != nil {
		b.Fatal(err)
	}
	run("ours-3", ours.sign)
	for name, k := range map[string]*PrivateKey{"libcrypto-2": two, "libcrypto-3": three} {
		if k.Engine() == "libcrypto" {
			run(name, k.sign)
		}
	}
	run("ed25519", readKey(b, "ed25519.pkcs8.pem").sign)
}

// bulkMessage is a message of about 4 KiB as bulk senders make them.
func bulkMessage() []byte {
	line := strings.Repeat("0123456789 ", 6) + "text of it"
	return crlf(strings.Replace(letter, "Gr", strings.Repeat(line+"\n", 45)+"Gr", 1))
}

// BenchmarkSign signs a message of 4 KiB, and with Ed25519 alone shows what all but RSA costs.
func BenchmarkSign(b *testing.B) {
	mail := bulkMessage()
	two, three := key(b, "example.com", "two", "two.pkcs8.pem"), key(b, "example.com", "three", "three.pkcs8.pem")
	ed := key(b, "example.com", "ed", "ed25519.pkcs8.pem")
	provider := key(b, "provider.example", "ed", "rfc8463.ed25519.seed")
	for name, s := range map[string]*Signer{
		"rsa-2":         signer(b, Options{}, "", two),
		"rsa-3":         signer(b, Options{}, "", three),
		"ed25519":       signer(b, Options{}, "", ed),
		"rsa-3+ed25519": signer(b, Options{}, "", three, ed),
		"ed25519-twice": signer(b, Options{}, "provider.example", ed, provider),
	} {
		b.Run(name, func(b *testing.B) {
			measure(b, func() {
				if _, err := s.Sign(mail, "example.com", now); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

// BenchmarkCanonical is all of signing but the operation with the key; beside it go-msgauth with an
// Ed25519 key, to be compared with Sign/ed25519.
func BenchmarkCanonical(b *testing.B) {
	mail := bulkMessage()
	cover, err := newCoverage(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(mail)))
		measure(b, func() {
			_, body, err := cover.coverHeader(mail)
			if err != nil {
				b.Fatal(err)
			}
			bodyHash(mail[body:])
		})
	})
	ed := readKey(b, "ed25519.pkcs8.pem")
	b.Run("go-msgauth-ed25519", func(b *testing.B) {
		b.SetBytes(int64(len(mail)))
		header, _, err := cover.coverHeader(mail)
		if err != nil {
			b.Fatal(err)
		}
		measure(b, func() {
			s, err := reference.NewSigner(&reference.SignOptions{
				Domain: "example.com", Selector: "s", Signer: ed.ed,
				HeaderCanonicalization: reference.CanonicalizationRelaxed, BodyCanonicalization: reference.CanonicalizationRelaxed,
				HeaderKeys: strings.Split(string(header.list), ":"),
			})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := bytes.NewReader(mail).WriteTo(s); err != nil {
				b.Fatal(err)
			}
			if err := s.Close(); err != nil || s.Signature() == "" {
				b.Fatal(err)
			}
		})
	})
}
