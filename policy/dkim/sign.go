package dkim

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

const fieldName = "DKIM-Signature"

// Options says how a Signer signs.
type Options struct {
	// Expiry is how long a signature holds from its making (x=); 0 is without end. It must be longer
	// than mail may wait in the queue and on its way, and bounds how long a signed message can be
	// sent again by others.
	Expiry time.Duration
	// AlsoSign are names of header fields to cover, when present, beyond the usual ones.
	AlsoSign []string
}

// Signer signs messages with the keys of a keyring. It may be used by many goroutines at once.
type Signer struct {
	ring   atomic.Pointer[Keyring]
	cover  *coverage
	expiry time.Duration
}

// NewSigner makes a signer. The error tells what is wrong in opts.
func NewSigner(ring *Keyring, opts Options) (*Signer, error) {
	if opts.Expiry < 0 {
		return nil, fmt.Errorf("dkim: expiry of %v lies in the past", opts.Expiry)
	}
	cover, err := newCoverage(opts.AlsoSign)
	if err != nil {
		return nil, err
	}
	s := &Signer{cover: cover, expiry: opts.Expiry}
	s.ring.Store(ring)
	return s, nil
}

// Keyring returns the keys in use.
func (s *Signer) Keyring() *Keyring { return s.ring.Load() }

// Replace puts another keyring in use, whole. Messages being signed end with the old one.
func (s *Signer) Replace(ring *Keyring) { s.ring.Store(ring) }

// Signed is what came of signing one message.
type Signed struct {
	Fields []byte // the DKIM-Signature fields, to be put before the content; empty without a key
	Keys   []*Key // those that signed, in the order of Fields
}

// Sign signs content, a message whose lines end with CRLF, with the keys for the domain of its From
// field. It returns no fields and no error if there is no key for it. Of an error nothing may
// be used: with several keys all sign or none.
//
// content must be what is sent: no later step may change a covered field or the body.
func (s *Signer) Sign(content []byte, fromDomain string, now time.Time) (Signed, error) {
	keys := s.ring.Load().For(fromDomain, now)
	if len(keys) == 0 {
		return Signed{}, nil
	}
	fields, err := s.signWith(keys, content, now)
	if err != nil {
		return Signed{}, err
	}
	return Signed{Fields: fields, Keys: keys}, nil
}

func (s *Signer) signWith(keys []*Key, content []byte, now time.Time) ([]byte, error) {
	header, body, err := s.cover.coverHeader(content)
	if err != nil {
		return nil, err
	}
	sum := bodyHash(content[body:])
	m := shared{header: header, bodyHash: base64.StdEncoding.EncodeToString(sum[:]), now: now}
	if s.expiry > 0 {
		m.expires = now.Add(s.expiry)
	}
	out := make([]byte, 0, len(keys)*(len(header.list)+768))
	for _, k := range keys {
		if out, err = m.appendSignature(out, k); err != nil {
			return nil, fmt.Errorf("dkim: sign with %s: %w", k, err)
		}
	}
	return out, nil
}

// shared is what the signatures of one message have in common.
type shared struct {
	header       covered
	bodyHash     string // base64
	now, expires time.Time
}

// appendSignature appends k's signature field to dst. The tags stand in an order in which b= is the
// last: what is signed is then the field as written up to there (RFC 6376 3.7).
func (m *shared) appendSignature(dst []byte, k *Key) ([]byte, error) {
	start := len(dst)
	f := folder{out: append(dst, fieldName...), column: len(fieldName)}
	f.put(":")
	f.word("v=1;")
	f.word("a=", k.Private.Algorithm().signatureName(), ";")
	f.word("c=relaxed/relaxed;")
	f.word("d=", k.Domain, ";")
	f.word("s=", k.Selector, ";")
	if k.Identity != "" {
		f.word("i=", k.Identity, ";")
	}
	f.word("t=", strconv.FormatInt(m.now.Unix(), 10), ";")
	if !m.expires.IsZero() {
		f.word("x=", strconv.FormatInt(m.expires.Unix(), 10), ";")
	}
	f.list("h=", m.header.list)
	f.fold()
	f.put("bh=")
	f.put(m.bodyHash)
	f.put(";")
	f.fold()
	f.put("b=")

	signed := appendRelaxedField(m.header.canonical, "dkim-signature", f.out[start+len(fieldName):])
	digest := sha256.Sum256(signed[:len(signed)-2]) // without its CRLF
	signature, err := k.Private.sign(&digest)
	if err != nil {
		return nil, err
	}
	var text [base64Space]byte
	f.base64(base64.StdEncoding.AppendEncode(text[:0], signature))
	return append(f.out, '\r', '\n'), nil
}

// base64Space holds the signature of the longest key, 4,096 bits, in base64.
const base64Space = (maxRSABits/8 + 2) / 3 * 4
