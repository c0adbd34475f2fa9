package dkim

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"errors"

	"filippo.io/bigmod"
)

// rsaVerifier is an RSA public key. crypto/rsa computes anew for each signature what arithmetic modulo the key's number
// needs, which takes two thirds of the time that the signature itself takes; here that is done once for a key.
// Nothing here is secret, so that nothing has to take the same time always.
type rsaVerifier struct {
	n    *bigmod.Modulus
	e    uint
	size int // of a signature, in octets
}

var errRSAPublic = errors.New("dkim: RSA key with an even modulus or a bad exponent")

// newRSAVerifier prepares a key of at least 1,024 bits. The exponents that crypto/rsa refuses are refused.
func newRSAVerifier(k *rsa.PublicKey) (*rsaVerifier, error) {
	if k.N.Sign() <= 0 || k.N.Bit(0) == 0 || k.E < 2 || k.E&1 == 0 || int64(k.E) > 1<<31-1 {
		return nil, errRSAPublic
	}
	n, err := bigmod.NewModulus(k.N.Bytes())
	if err != nil {
		return nil, err
	}
	return &rsaVerifier{n: n, e: uint(k.E), size: n.Size()}, nil
}

// verify tells whether the signature is one of the digest by RSASSA-PKCS1-v1_5 (RFC 8017 8.2.2): its power is compared
// with the one encoding that the digest has, whole.
func (v *rsaVerifier) verify(digest *[sha256.Size]byte, signature []byte) bool {
	if len(signature) != v.size {
		return false
	}
	s, err := bigmod.NewNat().SetBytes(signature, v.n) // fails for what is not less than the modulus
	if err != nil {
		return false
	}
	em := bigmod.NewNat().ExpShortVarTime(s, v.e, v.n).Bytes(v.n)
	tail := len(em) - len(sha256Info) - len(digest)
	return em[0] == 0 && em[1] == 1 && isFilled(em[2:tail-1], 0xff) && em[tail-1] == 0 &&
		bytes.Equal(em[tail:tail+len(sha256Info)], sha256Info) && bytes.Equal(em[len(em)-len(digest):], digest[:])
}

func isFilled(b []byte, with byte) bool {
	for _, c := range b {
		if c != with {
			return false
		}
	}
	return true
}
