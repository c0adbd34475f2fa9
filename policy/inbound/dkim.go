package inbound

import (
	"context"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/dkim"
)

// DKIM is what the signatures of a message prove (RFC 6376).
type DKIM struct {
	// Signatures are in the order of the message, at most as many as configured.
	Signatures []Signature
	// Ignored is how many more there are.
	Ignored int
}

// Value is that of all signatures together: the best of them, None without any.
func (d DKIM) Value() Value {
	for _, v := range []Value{Pass, TempError, Fail, Policy, PermError} {
		for _, s := range d.Signatures {
			if s.Value == v {
				return v
			}
		}
	}
	return None
}

// Signature is one DKIM-Signature field. What it says of itself is as the sender wrote it.
type Signature struct {
	// Value is Pass; Fail if it does not fit the message, has expired or is too weak (RFC 8301); Policy for the tag l,
	// by which anybody may append to the message; PermError without a usable key or form; TempError.
	Value     Value
	Domain    string // tag d, in lower case and as A-labels; as written where that is no domain
	Selector  string // tag s
	Algorithm string // tag a
	// Start is the start of the signature itself, to tell several apart (RFC 6008).
	Start  string
	Reason string
}

// DKIM verifies the signatures of a message.
func (c *Checker) DKIM(ctx context.Context, content []byte) DKIM {
	found, ignored := c.signatures.Verify(ctx, content)
	res := DKIM{Ignored: ignored}
	if len(found) > 0 {
		res.Signatures = make([]Signature, len(found))
	}
	for i, f := range found {
		res.Signatures[i] = Signature{
			Value: valueOf[f.Outcome], Domain: f.Domain, Selector: f.Selector, Algorithm: f.Algorithm, Start: f.Start,
			Reason: message.CleanLine(f.Reason, maxReason),
		}
	}
	return res
}

// valueOf are the outcomes of signatures in the words of RFC 8601.
var valueOf = [...]Value{
	dkim.Valid: Pass, dkim.Partial: Policy, dkim.Undecided: TempError, dkim.Invalid: Fail, dkim.Unusable: PermError,
}
