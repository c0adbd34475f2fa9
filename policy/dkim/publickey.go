package dkim

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// publicKey is a key record made ready for use, or why it cannot be used.
type publicKey struct {
	outcome Outcome // 0: it can be used
	reason  string

	kind    Algorithm
	rsa     *rsaVerifier
	ed25519 ed25519.PublicKey
	exact   bool // t=s: identities are of the domain itself
}

// maxKeyRecord bounds a key record, in octets: enough for RSA keys of 12,000 bits. The work with a key grows with
// the square of its length.
const maxKeyRecord = 2 << 10

// key returns the key of a signature, or why there is none.
func (v *Verifier) key(ctx context.Context, c *claim) (*publicKey, Outcome, string) {
	texts, err := v.opts.DNS.LookupTXT(ctx, c.lookup)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, Undecided, "out of time"
	case err != nil && !isPermanent(err):
		return nil, Undecided, "key unavailable for now"
	case err != nil:
		return nil, Unusable, "no key for signature"
	case len(texts) == 0:
		return nil, Unusable, "no key for signature"
	case len(texts) > 1: // undefined (RFC 6376 3.6.2.2)
		return nil, Unusable, "multiple TXT records found for key"
	case len(texts[0]) > maxKeyRecord:
		return nil, Unusable, "key record is too long"
	}
	k, ok := v.keys.Get(texts[0])
	if !ok {
		k = readPublicKey(texts[0])
		v.keys.Put(texts[0], k)
	}
	return k, k.outcome, k.reason
}

// isPermanent tells whether the answer of the DNS will not change soon.
func isPermanent(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && !e.IsTemporary && !e.IsTimeout
}

// readPublicKey reads a key record.
func readPublicKey(text string) *publicKey {
	bad := func(o Outcome, why string) *publicKey { return &publicKey{outcome: o, reason: why} }
	r, err := ParseRecord(text)
	switch {
	case err != nil:
		return bad(Unusable, strings.ReplaceAll(err.Error(), "dkim: ", ""))
	case len(r.Public) == 0:
		return bad(Unusable, "key revoked")
	case r.Hashes != nil && !slices.Contains(r.Hashes, "sha256"):
		return bad(Unusable, "inappropriate hash algorithm")
	case r.Services != nil && !slices.Contains(r.Services, "*") && !slices.Contains(r.Services, "email"):
		return bad(Unusable, "inappropriate service")
	}
	k := &publicKey{exact: slices.Contains(r.Flags, "s")}
	switch r.Algorithm {
	case RSA.String():
		public, err := parseRSA(r.Public)
		if err != nil {
			return bad(Unusable, "key syntax error")
		}
		if bits := public.N.BitLen(); bits < minVerifyBits { // RFC 8301 3.2
			return bad(Invalid, fmt.Sprintf("key is too short: want %d bits, has %d bits", minVerifyBits, bits))
		}
		k.kind = RSA
		if k.rsa, err = newRSAVerifier(public); err != nil {
			return bad(Unusable, "key syntax error")
		}
	case Ed25519.String():
		if len(r.Public) != ed25519.PublicKeySize {
			return bad(Unusable, "key syntax error")
		}
		k.kind, k.ed25519 = Ed25519, bytes.Clone(r.Public)
	default:
		return bad(Unusable, "unsupported key algorithm")
	}
	return k
}

const minVerifyBits = 1024

// parseRSA reads an RSA key as it should be, or the bare RSAPublicKey (RFC 6376 erratum 3017).
func parseRSA(der []byte) (*rsa.PublicKey, error) {
	any, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return x509.ParsePKCS1PublicKey(der)
	}
	public, ok := any.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("dkim: not an RSA key")
	}
	return public, nil
}

// fits tells whether the key may be used for the signature.
func (k *publicKey) fits(c *claim) (Outcome, string) {
	switch {
	case k.kind != c.kind:
		return Unusable, "inappropriate key algorithm"
	case k.exact && c.subdomain: // RFC 6376 3.6.1
		return Unusable, "domain mismatch"
	}
	return 0, ""
}

// verify tells whether the signature is of the digest.
func (k *publicKey) verify(digest *[sha256.Size]byte, signature []byte) bool {
	if k.kind == RSA {
		return k.rsa.verify(digest, signature)
	}
	return ed25519.Verify(k.ed25519, digest[:], signature) // of the hash itself (RFC 8463 3)
}
