// Package dkim signs messages and verifies signatures (RFC 6376, 8301, 8463, 8616): which key signs is
// the keyring's word, what is covered and how it is written is here. Nothing here publishes a DNS
// record; Check tells whether the one that is published fits its key.
//
// The work for one message is done once for all its signatures: the body is hashed in one pass, the
// covered header is canonicalised into one buffer, and each signature adds to that only its own
// field and the operation with the private key, which costs more than everything else together.
//
// A verifier does the same the other way round: claim.go reads what a signature says of itself,
// publickey.go the key that it names, mail.go makes the hashes, verify.go the verdict. Nothing is
// copied but the header fields that are signed, and keys are kept ready for use.
package dkim

import "errors"

// Faults of a message that keep it from being signed. None is a reason to send it unsigned without
// a word: the caller refuses it, or says that it went out unsigned.
var (
	ErrBadHeader = errors.New("dkim: header is not made of fields up to a blank line")
	ErrFrom      = errors.New("dkim: not exactly one From field")
)

// Algorithm is the kind of a key (RFC 6376 3.3, RFC 8463).
type Algorithm byte

// The algorithms to sign with. There is no rsa-sha1 (RFC 8301 3.1).
const (
	RSA     Algorithm = iota + 1 // rsa-sha256
	Ed25519                      // ed25519-sha256
)

// String returns the name as in the k= tag of a record.
func (a Algorithm) String() string {
	switch a {
	case RSA:
		return "rsa"
	case Ed25519:
		return "ed25519"
	default:
		return "unknown"
	}
}

// signatureName is the value of the a= tag of a signature.
func (a Algorithm) signatureName() string {
	switch a {
	case RSA:
		return "rsa-sha256"
	case Ed25519:
		return "ed25519-sha256"
	default:
		return "unknown"
	}
}
