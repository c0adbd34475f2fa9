package dmarc

import (
	"context"
	"errors"
)

// Identifier is a domain that SPF or DKIM has proven. Uncertain is one that it might have proven, had the DNS
// answered: if that one would have been decisive, the verdict is open.
type Identifier struct {
	Domain    string // in lower case, as A-labels
	Uncertain bool
}

// Message is what is known of a message.
type Message struct {
	// Authors are the domains of the From field, from Authors.
	Authors []string
	// SPF is the domain of the return path, or of the HELO name where that is empty; nil if it did not pass.
	SPF *Identifier
	// DKIM are the domains (tag d) of the signatures that passed.
	DKIM []Identifier
}

// Result is the verdict on a message.
type Result struct {
	Value Value
	// Author is the domain judged: with several authors the one that decided.
	Author string
	// PolicyDomain is where the record stands; "" if there is none.
	PolicyDomain string
	// Published is the policy that the record has for Author; Policy what it comes to when the owner is
	// only testing it.
	Published, Policy Policy
	Testing           bool
	// SPFAligned and DKIMAligned tell which method proved a domain aligned with Author.
	SPFAligned, DKIMAligned bool
	// Err is why Value is TempError.
	Err error
}

// Evaluate returns the verdict. With several authors each is judged: the message passes when all of them do, and
// if some fail the strictest policy among theirs counts (RFC 9989 11.5 leaves that to us; not to judge
// would let a forger escape by adding an author).
func Evaluate(ctx context.Context, dns Resolver, m Message) Result {
	if len(m.Authors) == 0 {
		return Result{Value: PermError}
	}
	f := &finder{ctx: ctx, dns: dns}
	var worst Result
	for i, author := range m.Authors {
		r := f.evaluate(author, m)
		if i == 0 || r.worse(worst) {
			worst = r
		}
	}
	return worst
}

// gravity is the order in which the results of several authors prevail.
var gravity = [...]int{Pass: 0, None: 1, PermError: 2, TempError: 3, Fail: 4}

func (r Result) worse(than Result) bool {
	if g, h := gravity[r.Value], gravity[than.Value]; g != h {
		return g > h
	}
	return r.Value == Fail && r.Policy > than.Policy
}

func (f *finder) evaluate(author string, m Message) Result {
	res := Result{Author: author}
	d, err := f.discover(author)
	if err != nil {
		res.Value, res.Err = TempError, err
		return res
	}
	res.PolicyDomain, res.Published, res.Policy, res.Testing = d.domain, d.published, d.published, d.record.Testing
	if d.record.Testing {
		res.Policy = d.published.eased()
	}
	if d.published == PolicyUnset {
		return res
	}
	a := alignment{finder: f, author: author, discovery: d}
	if m.SPF != nil {
		res.SPFAligned = a.check(*m.SPF, d.record.StrictSPF)
	}
	for _, id := range m.DKIM {
		res.DKIMAligned = a.check(id, d.record.StrictDKIM) || res.DKIMAligned
	}
	switch {
	case res.SPFAligned || res.DKIMAligned:
		res.Value = Pass
	case a.open != nil:
		res.Value, res.Err = TempError, a.open
	default:
		res.Value = Fail
	}
	return res
}

var errUncertain = errors.New("an aligned domain could not be verified for now")

// alignment compares proven domains with an author's.
type alignment struct {
	*finder
	discovery
	author string
	open   error // why a domain that did not turn out aligned might be
}

// check tells whether id is proven and aligned (RFC 9989 4.4).
func (a *alignment) check(id Identifier, strict bool) bool {
	same, err := a.same(id.Domain, strict)
	if err == nil && same && id.Uncertain {
		err = errUncertain
	}
	if err != nil {
		a.open = err
		return false
	}
	return same
}

// same tells whether domain is the author's, or belongs to the same organization if that is enough.
func (a *alignment) same(domain string, strict bool) (bool, error) {
	if domain == a.author {
		return true, nil
	}
	if strict || domain == "" {
		return false, nil
	}
	if a.org == "" {
		var err error
		if a.org, err = a.organizationOf(a.author); err != nil {
			return false, err
		}
	}
	if !isBelow(domain, a.org) {
		return false, nil // its own organization is above it, and so cannot be this one: no need to walk
	}
	org, err := a.organizationOf(domain)
	return org == a.org, err
}
