package dkim

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"

	"filippo.io/bigmod"
)

// threePrimes signs with an RSA key of 2,048 bits and three primes (RFC 8017 3.2). By the Chinese
// remainder theorem that is three exponentiations of 683 bits in place of two of 1,024, which is
// about two thirds of the work; to a verifier the key is like any other.
//
// With s_i = c^d_i mod p_i and N_i = N/p_i, the signature is the sum of N_i * (s_i/N_i mod p_i).
//
// There is no blinding: it hides the operand from arithmetic whose time depends on it, and here none
// does (montgomery.go, bigmod). Faults are met by verifying each signature before it is used.
type threePrimes struct {
	public *rsa.PublicKey
	n      *bigmod.Modulus
	primes [3]crtPrime
}

// crtPrime is what is computed once for each prime p of a key.
type crtPrime struct {
	mod     *odd704
	d       limb704     // the private exponent mod p-1
	inverse limb704     // 1/(N/p) mod p, not in Montgomery form
	rest    *bigmod.Nat // N/p, for arithmetic mod N
}

const threePrimeBits = 2048

var errBadSignature = errors.New("the signature made does not verify; is the key or the machine damaged?")

// newThreePrimes prepares for signing. It is not constant-time: for use at load. key is valid.
func newThreePrimes(key *rsa.PrivateKey) (*threePrimes, error) {
	if key.N.BitLen() != threePrimeBits {
		return nil, fmt.Errorf("RSA key of three primes with %d bits; only %d can be used", key.N.BitLen(), threePrimeBits)
	}
	n, err := bigmod.NewModulus(key.N.Bytes())
	if err != nil {
		return nil, err
	}
	t := &threePrimes{public: &key.PublicKey, n: n}
	one := big.NewInt(1)
	for i, p := range key.Primes {
		mod, err := newOdd704(p)
		if err != nil {
			return nil, fmt.Errorf("RSA key of three primes that differ in length: one is %w", err)
		}
		rest := new(big.Int).Div(key.N, p)
		inverse := new(big.Int).ModInverse(rest, p)
		if inverse == nil {
			return nil, errors.New("RSA key of three primes, two of them the same")
		}
		nat, err := bigmod.NewNat().SetBytes(rest.Bytes(), n)
		if err != nil {
			return nil, err
		}
		t.primes[i] = crtPrime{
			mod:     mod,
			d:       toLimbs(new(big.Int).Mod(key.D, new(big.Int).Sub(p, one))),
			inverse: toLimbs(inverse),
			rest:    nat,
		}
	}
	return t, nil
}

func (t *threePrimes) sign(digest *[sha256.Size]byte) ([]byte, error) {
	c := encodePKCS1(digest)
	sum := bigmod.NewNat().ExpandFor(t.n)
	for i := range t.primes {
		p := &t.primes[i]
		s := p.mod.lift(c[:])
		s = p.mod.exp(&s, &p.d)
		p.mod.mul(&s, &s, &p.inverse) // out of Montgomery form at the same time
		b := s.bytes()
		term, err := bigmod.NewNat().SetBytes(b[:], t.n)
		if err != nil {
			return nil, err
		}
		sum.Add(term.Mul(p.rest, t.n), t.n)
	}
	signature := sum.Bytes(t.n)
	if err := rsa.VerifyPKCS1v15(t.public, crypto.SHA256, digest[:], signature); err != nil {
		return nil, errBadSignature
	}
	return signature, nil
}

func (*threePrimes) name() string { return "three primes" }

// sha256Info is the DigestInfo of a SHA-256 digest up to the digest (RFC 8017 9.2 note 1).
var sha256Info = []byte{
	0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
}

// encodePKCS1 returns the digest as EMSA-PKCS1-v1_5 (RFC 8017 9.2) for a key of 2,048 bits.
func encodePKCS1(digest *[sha256.Size]byte) (em [threePrimeBits / 8]byte) {
	tail := len(em) - len(sha256Info) - len(digest)
	copy(em[tail:], sha256Info)
	copy(em[tail+len(sha256Info):], digest[:])
	copy(em[:tail-1], bytes.Repeat([]byte{0xff}, tail-1))
	em[0], em[1] = 0, 1
	return em
}
