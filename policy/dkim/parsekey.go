package dkim

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
)

// ParsePrivateKey reads a private key: PEM of PKCS #8 (RSA, Ed25519) or PKCS #1 (RSA, two or three
// primes), or the bare base64 of an Ed25519 seed (as RFC 8463 A.2 prints it). Text around a PEM
// block is skipped. The errors tell what the data is, if it is something else, and hold nothing of
// the key.
func ParsePrivateKey(data []byte) (*PrivateKey, error) {
	block, rest := pem.Decode(data)
	if block == nil {
		return parseSeed(data)
	}
	if next, _ := pem.Decode(rest); next != nil {
		return nil, errors.New("has more than one PEM block")
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, errors.New("is encrypted; a key has to be readable without a password")
	}
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("bad PKCS #1 key: %w", err)
		}
		return newRSA(key)
	case "PRIVATE KEY":
		return parsePKCS8(block.Bytes)
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		return nil, errors.New("is a public key; the private key is wanted")
	default:
		return nil, fmt.Errorf("is a PEM block of type %q; PRIVATE KEY or RSA PRIVATE KEY is wanted", block.Type)
	}
}

func parsePKCS8(der []byte) (*PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("bad PKCS #8 key: %w", err)
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return newRSA(key)
	case ed25519.PrivateKey:
		return newEd25519(key), nil
	default:
		return nil, fmt.Errorf("is a key of type %T; DKIM knows RSA and Ed25519", key)
	}
}

func parseSeed(data []byte) (*PrivateKey, error) {
	data = bytes.TrimSpace(data)
	if len(data) == 0 {
		return nil, errors.New("is empty")
	}
	seed := make([]byte, base64.StdEncoding.DecodedLen(len(data)))
	n, err := base64.StdEncoding.Decode(seed, data)
	if err != nil || n != ed25519.SeedSize {
		return nil, errors.New("is neither PEM nor the base64 of an Ed25519 seed of 32 bytes")
	}
	return newEd25519(ed25519.NewKeyFromSeed(seed[:n])), nil
}

// MarshalPEM returns the key as a PKCS #8 PEM block, which ParsePrivateKey and OpenSSL read.
func (k *PrivateKey) MarshalPEM() ([]byte, error) {
	var key any = k.ed
	if k.algorithm == RSA {
		key = k.rsa
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
