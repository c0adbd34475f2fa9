// Package dmarc finds out what the owner of an author's domain wants done with a message (RFC 9989). It
// verifies nothing itself: it is told which domains SPF and DKIM have proven, and asks the DNS for
// the policy alone.
//
//	author.go   the domains of the From field
//	record.go   a policy record
//	walk.go     the DNS tree walk: which records stand at a domain and above it
//	policy.go   the record that applies, and the organizational domain
//	evaluate.go alignment and the verdict
package dmarc

import "context"

// Resolver answers questions for TXT records. A name that does not exist is an error with a method
// or field as *net.DNSError has them (IsNotFound); one without TXT records is an empty answer. Every other error
// counts as temporary.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Policy is what a domain owner wants done with mail that fails, in order of strictness.
type Policy uint8

const (
	PolicyUnset Policy = iota // the record does not say, or says it in a way that nobody understands
	PolicyNone
	PolicyQuarantine
	PolicyReject
)

// String returns the policy as it stands in a record, "" for one that is not set.
func (p Policy) String() string {
	return [...]string{"", "none", "quarantine", "reject"}[p]
}

// eased is the policy one level below, for domains that are testing theirs (RFC 9989 4.7, tag t).
func (p Policy) eased() Policy {
	if p > PolicyNone {
		return p - 1
	}
	return p
}

// Value is the result of the method, with the names of RFC 8601 2.7 and RFC 9989 9.2.
type Value uint8

const (
	None      Value = iota // no policy applies
	Pass                   // a proven domain is aligned with each author's
	Fail                   // none is
	TempError              // the DNS did not answer; later it might
	PermError              // the message has no author that could be checked
)

func (v Value) String() string {
	return [...]string{"none", "pass", "fail", "temperror", "permerror"}[v]
}
