package dkim

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
)

// GenerateRSA makes an RSA key of two primes, of 2,048 bits (what to choose), 3,072 or 4,096.
func GenerateRSA(bits int) (*PrivateKey, error) {
	if bits != 2048 && bits != 3072 && bits != maxRSABits {
		return nil, fmt.Errorf("dkim: RSA keys are made of 2048, 3072 or %d bits, not %d", maxRSABits, bits)
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("dkim: generate RSA key: %w", err)
	}
	return newRSA(key)
}

// GenerateEd25519 makes an Ed25519 key.
func GenerateEd25519() (*PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("dkim: generate Ed25519 key: %w", err)
	}
	return newEd25519(key), nil
}

// GenerateThreePrimes makes an RSA key of 2,048 bits with three primes, which is cheaper to sign
// with. Factors of 683 bits are far beyond what can be found by methods that profit from small
// factors, so that the key is as strong as one with two primes (RFC 8017 3.2 permits it).
func GenerateThreePrimes() (*PrivateKey, error) {
	const e = 65537
	one := big.NewInt(1)
	for range 1000 { // about every second product is one bit short
		key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: big.NewInt(1), E: e}}
		totient := big.NewInt(1)
		for _, bits := range [...]int{683, 683, 682} {
			p, err := rand.Prime(rand.Reader, bits)
			if err != nil {
				return nil, fmt.Errorf("dkim: generate RSA key: %w", err)
			}
			key.Primes = append(key.Primes, p)
			key.N.Mul(key.N, p)
			totient.Mul(totient, new(big.Int).Sub(p, one))
		}
		key.D = new(big.Int).ModInverse(big.NewInt(e), totient)
		if key.N.BitLen() != threePrimeBits || key.D == nil || key.Primes[0].Cmp(key.Primes[1]) == 0 {
			continue
		}
		key.Precompute()
		if err := key.Validate(); err != nil {
			return nil, fmt.Errorf("dkim: generate RSA key: %w", err)
		}
		return newRSA(key)
	}
	return nil, errors.New("dkim: generate RSA key: no fitting primes found; is the random source broken?")
}
