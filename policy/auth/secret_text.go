package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What a hash from outside may cost us, and the least that it may cost others.
const (
	maxArgonKiB        = 256 << 10
	maxArgonPasses     = 16
	maxArgonLanes      = 8
	maxSalt            = 64
	minIterations      = 4096 // RFC 7677 4
	maxScramIterations = 1_000_000
)

var errBadHash = errors.New("not a hash of a known form")

// Hashes returns the secret in the two forms that others know: the PHC string of argon2id, and
// StoredKey and ServerKey as in RFC 5803 with "$" between the parts ("" without SCRAM keys).
func (s *Secret) Hashes() (argon2id, scramSHA256 string) {
	b64 := base64.RawStdEncoding.EncodeToString
	a, k := &s.argon, &s.scram
	argon2id = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, a.kib, a.passes, a.lanes, b64(a.salt), b64(a.key))
	if k.iterations > 0 {
		b64 := base64.StdEncoding.EncodeToString
		scramSHA256 = fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", k.iterations, b64(k.salt), b64(k.stored), b64(k.server))
	}
	return argon2id, scramSHA256
}

// HashSecret checks a secret that somebody chose and returns its hashes, as Hashes does. It costs one argon2.
func HashSecret(secret string) (argon2id, scramSHA256 string, err error) {
	prepared, err := newSecret(secret)
	if err != nil {
		return "", "", err
	}
	s, err := makeSecret(prepared, defaultCost(), nil)
	if err != nil {
		return "", "", err
	}
	argon2id, scramSHA256 = s.Hashes()
	return argon2id, scramSHA256, nil
}

// ParseSecret reads what Hashes returned. Without the second, SCRAM logins fail; at least the first
// must be there.
func ParseSecret(argon2id, scramSHA256 string) (*Secret, error) {
	s := &Secret{}
	// The same hashes are the same secret, so that a reload does not end sessions.
	copy(s.id[:], hmacOf(nil, argon2id, "\x00", scramSHA256))
	if err := s.argon.parse(argon2id); err != nil {
		return nil, fmt.Errorf("argon2id hash: %w", err)
	}
	if scramSHA256 == "" {
		return s, nil
	}
	if err := s.scram.parse(scramSHA256); err != nil {
		return nil, fmt.Errorf("SCRAM-SHA-256 keys: %w", err)
	}
	return s, nil
}

func (h *argonHash) parse(text string) error {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return fmt.Errorf("%w: want $argon2id$v=%d$m=...,t=...,p=...$salt$hash", errBadHash, argon2.Version)
	}
	const form = "m=%d,t=%d,p=%d"
	_, err := fmt.Sscanf(parts[3], form, &h.kib, &h.passes, &h.lanes)
	if err != nil || fmt.Sprintf(form, h.kib, h.passes, h.lanes) != parts[3] { // Sscanf overlooks what follows
		return fmt.Errorf("%w: bad parameters", errBadHash)
	}
	if h.kib < 8 || h.kib > maxArgonKiB || h.passes < 1 || h.passes > maxArgonPasses || h.lanes < 1 || h.lanes > maxArgonLanes {
		return fmt.Errorf("%w: parameters out of bounds (m 8 to %d, t 1 to %d, p 1 to %d)", errBadHash, maxArgonKiB, maxArgonPasses, maxArgonLanes)
	}
	var err1, err2 error
	h.salt, err1 = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	h.key, err2 = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(h.salt) < 8 || len(h.salt) > maxSalt || len(h.key) < keySize || len(h.key) > 2*keySize {
		return fmt.Errorf("%w: bad salt or hash", errBadHash)
	}
	return nil
}

func (k *scramKeys) parse(text string) error {
	parts := strings.Split(text, "$")
	if len(parts) != 3 || parts[0] != "SCRAM-SHA-256" {
		return fmt.Errorf("%w: want SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey", errBadHash)
	}
	count, salt, ok1 := strings.Cut(parts[1], ":")
	stored, server, ok2 := strings.Cut(parts[2], ":")
	n, err := strconv.Atoi(count)
	if !ok1 || !ok2 || err != nil {
		return fmt.Errorf("%w: bad parts", errBadHash)
	}
	k.iterations = n
	if k.iterations < minIterations || k.iterations > maxScramIterations {
		return fmt.Errorf("%w: iterations out of bounds (%d to %d)", errBadHash, minIterations, maxScramIterations)
	}
	var err1, err2, err3 error
	b64 := base64.StdEncoding.Strict()
	k.salt, err1 = b64.DecodeString(salt)
	k.stored, err2 = b64.DecodeString(stored)
	k.server, err3 = b64.DecodeString(server)
	if errors.Join(err1, err2, err3) != nil || len(k.salt) < 8 || len(k.salt) > maxSalt || len(k.stored) != keySize || len(k.server) != keySize {
		return fmt.Errorf("%w: bad salt or key", errBadHash)
	}
	return nil
}
