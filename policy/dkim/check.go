package dkim

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// TXTResolver looks up TXT records: one string each, whose parts are put together. An error is a
// *net.DNSError where the DNS spoke: IsNotFound if there is no such record, IsTemporary or IsTimeout
// if it may do better later.
type TXTResolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// What Check finds out of place, besides ErrRecord and ErrRevoked.
var (
	ErrNoRecord  = errors.New("dkim: no key record")
	ErrManyTXT   = errors.New("dkim: more than one TXT record where the key record should be")
	ErrMismatch  = errors.New("dkim: key record is of another key")
	ErrTemporary = errors.New("dkim: key record cannot be looked up now")
)

// Check tells whether the record in the DNS lets verifiers accept what k signs; only then a key may
// become active. Warnings are about records that do, but not as their owner may think.
func Check(ctx context.Context, dns TXTResolver, k *Key) (warnings []string, err error) {
	texts, err := dns.LookupTXT(ctx, k.String())
	if err != nil {
		return nil, lookupFault(k, err)
	}
	switch len(texts) {
	case 0:
		return nil, fmt.Errorf("%w at %s", ErrNoRecord, k)
	case 1:
		return checkText(k, texts[0])
	default: // what a verifier makes of it is undefined (RFC 6376 3.6.2.2)
		return nil, fmt.Errorf("%w: %d at %s", ErrManyTXT, len(texts), k)
	}
}

func lookupFault(k *Key, err error) error {
	var fault *net.DNSError
	if errors.As(err, &fault) && fault.IsNotFound {
		return fmt.Errorf("%w at %s", ErrNoRecord, k)
	}
	return fmt.Errorf("%w: %s: %w", ErrTemporary, k, err)
}

func checkText(k *Key, text string) (warnings []string, err error) {
	r, err := ParseRecord(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k, err)
	}
	private := k.Private
	switch {
	case len(r.Public) == 0:
		return nil, fmt.Errorf("%s: %w", k, ErrRevoked)
	case r.Algorithm != private.algorithm.String():
		return nil, fmt.Errorf("%w: %s has k=%s, the key is %s", ErrMismatch, k, r.Algorithm, private.algorithm)
	case !private.matches(r.Public):
		return nil, fmt.Errorf("%w: the p= of %s is not that of the key", ErrMismatch, k)
	case r.Hashes != nil && !slices.Contains(r.Hashes, "sha256"):
		return nil, fmt.Errorf("%w: %s does not permit sha256 in h=", ErrRecord, k)
	case r.Services != nil && !slices.Contains(r.Services, "*") && !slices.Contains(r.Services, "email"):
		return nil, fmt.Errorf("%w: %s is not for email by its s=", ErrRecord, k)
	}
	if slices.Contains(r.Flags, "y") {
		warnings = append(warnings, "t=y: the domain is testing, and receivers may treat its mail as unsigned")
	}
	if slices.Contains(r.Flags, "s") && k.Identity != "" && !strings.HasSuffix(k.Identity, "@"+k.Domain) {
		return nil, fmt.Errorf("%w: %s has t=s, which forbids the key's identity %s", ErrRecord, k, k.Identity)
	}
	if private.algorithm == RSA && private.Bits() < 2048 {
		warnings = append(warnings, fmt.Sprintf("the key has %d bits, 2048 are wanted (RFC 8301)", private.Bits()))
	}
	return warnings, nil
}

// matches tells whether a p= holds the key's public half. Of an RSA key it may be the bare
// RSAPublicKey too (RFC 6376 erratum 3017).
func (k *PrivateKey) matches(public []byte) bool {
	if k.algorithm != RSA || bytes.Equal(public, k.public) {
		return bytes.Equal(public, k.public)
	}
	bare, err := x509.ParsePKCS1PublicKey(public)
	return err == nil && bare.Equal(&rsa.PublicKey{N: k.rsa.N, E: k.rsa.E})
}
