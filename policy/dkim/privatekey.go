package dkim

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
)

// The lengths of RSA keys that verifiers have to know (RFC 8301 3.2). Below 2,048 bits a key is
// taken, but never generated.
const (
	minRSABits = 1024
	maxRSABits = 4096
)

// PrivateKey is a key to sign with. It may be used by many goroutines at once.
type PrivateKey struct {
	algorithm Algorithm
	public    []byte // as in the p= tag: SubjectPublicKeyInfo of an RSA key, the bare 32 bytes of Ed25519
	rsa       *rsa.PrivateKey
	ed        ed25519.PrivateKey
	engine    rsaEngine // of an RSA key
}

// rsaEngine makes RSASSA-PKCS1-v1_5 signatures of a SHA-256 digest (RFC 8017 8.2.1). Each of the
// implementations verifies what it made before it lets it out: of a signature that went wrong by a
// fault in the arithmetic modulo one prime, anybody could compute the private key.
type rsaEngine interface {
	sign(digest *[sha256.Size]byte) ([]byte, error)
	name() string
}

func newRSA(key *rsa.PrivateKey) (*PrivateKey, error) {
	if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return nil, fmt.Errorf("RSA key of %d bits; verifiers take %d to %d", bits, minRSABits, maxRSABits)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	engine, err := newEngine(key)
	if err != nil {
		return nil, err
	}
	return &PrivateKey{algorithm: RSA, public: public, rsa: key, engine: engine}, nil
}

func newEd25519(key ed25519.PrivateKey) *PrivateKey {
	return &PrivateKey{algorithm: Ed25519, public: key.Public().(ed25519.PublicKey), ed: key}
}

// newEngine picks the fastest way to sign with a key. All builds take and refuse the same keys.
func newEngine(key *rsa.PrivateKey) (rsaEngine, error) {
	switch len(key.Primes) {
	case 2:
		if engine, ok, err := newLibcrypto(key); ok || err != nil {
			return engine, err
		}
		return goRSA{key}, nil
	case 3:
		ours, err := newThreePrimes(key)
		if err != nil {
			return nil, err
		}
		if engine, ok, err := newLibcrypto(key); ok || err != nil {
			return engine, err
		}
		return ours, nil
	default:
		return nil, fmt.Errorf("RSA key of %d primes; two and three can be used", len(key.Primes))
	}
}

// Algorithm returns the kind of key.
func (k *PrivateKey) Algorithm() Algorithm { return k.algorithm }

// Bits returns the length of the key.
func (k *PrivateKey) Bits() int {
	if k.algorithm == RSA {
		return k.rsa.N.BitLen()
	}
	return 256
}

// Primes returns how many prime factors an RSA key has, 0 of another key.
func (k *PrivateKey) Primes() int {
	if k.algorithm == RSA {
		return len(k.rsa.Primes)
	}
	return 0
}

// String tells the kind and length of the key, and keeps its secret out of what is printed.
func (k *PrivateKey) String() string { return fmt.Sprintf("%s-%d", k.algorithm, k.Bits()) }

// Engine names the code that signs with the key, for people.
func (k *PrivateKey) Engine() string {
	if k.engine != nil {
		return k.engine.name()
	}
	return "crypto/ed25519"
}

// Public returns the public half in base64, as in the p= tag of the record.
func (k *PrivateKey) Public() string { return base64.StdEncoding.EncodeToString(k.public) }

// sign signs the SHA-256 digest of what is covered. With Ed25519 the digest is the message
// (RFC 8463 3).
func (k *PrivateKey) sign(digest *[sha256.Size]byte) ([]byte, error) {
	switch k.algorithm {
	case RSA:
		return k.engine.sign(digest)
	case Ed25519:
		return ed25519.Sign(k.ed, digest[:]), nil
	default:
		return nil, errors.New("no key")
	}
}
