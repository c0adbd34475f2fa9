package dkim

import (
	"context"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/recent"
)

// Outcome is what became of a signature.
type Outcome byte

// The outcomes, from the best.
const (
	Valid     Outcome = iota + 1
	Partial           // has the tag l, by which anybody may append to the message: it is not verified
	Undecided         // the key cannot be had for now
	Invalid           // does not fit the message, has expired or is too weak (RFC 8301)
	Unusable          // its form or its key's cannot be worked with
)

// Finding is what is found out about one signature. What the signature says of itself is as the sender wrote it.
type Finding struct {
	Outcome   Outcome
	Reason    string // why it is not Valid, in a few words
	Domain    string // tag d, in lower case and as A-labels; as written where that is no domain
	Selector  string // tag s
	Algorithm string // tag a
	Start     string // of the signature itself, to tell several apart (RFC 6008)
}

// VerifyOptions say how signatures are verified.
type VerifyOptions struct {
	DNS TXTResolver
	// MaxSignatures bounds the signatures of a message that are looked at; 0: 8.
	MaxSignatures int
	// Keys bounds the public keys that are kept ready for use, some kilobytes each; 0: 2,048.
	Keys int
	// Now tells the time; nil: time.Now.
	Now func() time.Time
}

const (
	defaultMaxSignatures = 8
	defaultKeys          = 2048
)

// Verifier verifies signatures. It is safe for concurrent use.
type Verifier struct {
	opts VerifyOptions
	keys *recent.Map[string, *publicKey] // by the text of their records
}

// NewVerifier returns a Verifier.
func NewVerifier(o VerifyOptions) *Verifier {
	if o.MaxSignatures <= 0 {
		o.MaxSignatures = defaultMaxSignatures
	}
	if o.Keys <= 0 {
		o.Keys = defaultKeys
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Verifier{opts: o, keys: recent.NewMap[string, *publicKey](o.Keys)}
}

// Verify looks at the signatures of a message, whose lines end with CRLF, in their order (RFC 6376 6). ignored is how many
// there are beyond the bound. A line that is no field ends the header as it does for all of us, so that no two readers
// see different fields.
//
// What can be told from the signature alone is told first: the DNS is asked for signatures only that can be valid.
func (v *Verifier) Verify(ctx context.Context, content []byte) (found []Finding, ignored int) {
	var fields [64]message.Field // enough for most messages
	var signatures [defaultMaxSignatures]int
	m := mail{content: content, fields: fields[:0]}
	at := signatures[:0]
	for f := range message.Fields(content) {
		if f.Is(content, fieldName) {
			if len(at) < v.opts.MaxSignatures {
				at = append(at, len(m.fields))
			} else {
				ignored++
			}
		}
		m.fields = append(m.fields, f)
	}
	if len(at) == 0 {
		return nil, 0
	}
	found = make([]Finding, len(at))
	for i, n := range at {
		c := readClaim(content, m.fields[n])
		found[i] = Finding{Domain: c.domain, Selector: c.selector, Algorithm: c.algorithm, Start: c.start}
		found[i].Outcome, found[i].Reason = v.verify(ctx, &m, n, &c)
	}
	return found, ignored
}

// verify judges the signature in the n-th field of the message.
func (v *Verifier) verify(ctx context.Context, m *mail, n int, c *claim) (Outcome, string) {
	if o, why := c.check(v.opts.Now()); o != 0 {
		return o, why
	}
	if c.dear(len(m.fields)) {
		return Unusable, "too many header fields are signed"
	}
	key, o, why := v.key(ctx, c)
	if o != 0 {
		return o, why
	}
	if o, why := key.fits(c); o != 0 {
		return o, why
	}
	if c.tags[tagLength].end != 0 {
		return Partial, "message contains an insecure body length tag"
	}
	if *m.bodyHash(c.bodyRelaxed) != c.bodyHash {
		return Invalid, "body hash did not verify"
	}
	digest := m.headerHash(n, c)
	if !key.verify(&digest, c.signature) {
		return Invalid, "signature did not verify"
	}
	return Valid, ""
}
