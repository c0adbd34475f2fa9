package resolver

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// Explanation is how a route was found, step by step.
type Explanation struct {
	Domain string
	Steps  []Step
	// Route is the outcome, unless Failure is set. Its hosts stand by preference, then name.
	Route   Route
	Failure *Failure
	// Now is when it was asked for.
	Now time.Time
}

// Step is one thing asked or decided.
type Step struct {
	// Kind is "query" for something looked up and "rule" for something decided.
	Kind string
	Text string
}

// Explain works out the route of a domain as Route does, from the cached answers where there are
// any, and tells each step. Finished routes in the cache are neither used nor replaced.
func (r *Resolver) Explain(ctx context.Context, domain string) Explanation {
	var t trace
	e := Explanation{Domain: domain, Now: r.cfg.Now()}
	pl, err := r.newPlanner(ctx, r.currentTable(), &t).plan(lower(domain))
	if err != nil {
		pl = &plan{failure: unanswered("the route for "+domain, err)}
	}
	e.Steps, e.Route, e.Failure = t.steps, pl.route, pl.failure
	return e
}

// String returns what WriteTo writes.
func (e Explanation) String() string {
	var b strings.Builder
	e.WriteTo(&b)
	return b.String()
}

// WriteTo writes the steps and the outcome as text, a line each. Names and texts out of the DNS have been
// checked or are quoted.
func (e Explanation) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	if _, ok := parseLiteral(e.Domain); ok || checkName(e.Domain) == nil {
		b.WriteString(e.Domain + "\n")
	} else {
		fmt.Fprintf(&b, "%.300q\n", e.Domain)
	}
	for _, s := range e.Steps {
		fmt.Fprintf(&b, "  %-6s %s\n", s.Kind, s.Text)
	}
	switch {
	case e.Failure == nil:
		e.writeRoute(&b)
	case e.Failure.Status.Permanent():
		fmt.Fprintf(&b, "bounce   %s\n", e.Failure.Status)
	default:
		fmt.Fprintf(&b, "defer    %s\n", e.Failure.Status)
	}
	return b.WriteTo(w)
}

func (e Explanation) writeRoute(b *bytes.Buffer) {
	fmt.Fprintf(b, "deliver  by %s, site %s, good for %s%s\n", e.Route.Kind, e.Route.Site,
		e.Route.Expires.Sub(e.Now).Round(time.Second), flags(e.Route.Authentic, e.Route.Stale))
	for _, h := range e.Route.Hosts {
		fmt.Fprintf(b, "  %5d  %s", h.Preference, h.Name)
		for _, a := range h.Addrs {
			if h.Socket == "" {
				fmt.Fprintf(b, " %s", a)
			}
		}
		b.WriteByte('\n')
	}
	if ties(e.Route.Hosts) {
		b.WriteString("         hosts of the same preference are shuffled for each delivery\n")
	}
}

func ties(hosts []Host) bool {
	for i := 1; i < len(hosts); i++ {
		if hosts[i].Preference == hosts[i-1].Preference {
			return true
		}
	}
	return false
}

func flags(authentic, stale bool) string {
	s := ""
	if authentic {
		s += ", DNSSEC"
	}
	if stale {
		s += ", stale"
	}
	return s
}

// maxShown bounds the records shown of one answer.
const maxShown = 20

// trace takes down the steps of a planner; a nil trace takes down nothing.
type trace struct{ steps []Step }

func (t *trace) rule(format string, args ...any) {
	if t != nil {
		t.steps = append(t.steps, Step{"rule", fmt.Sprintf(format, args...)})
	}
}

func (t *trace) query(q question, res result, now time.Time) {
	if t == nil {
		return
	}
	how := "asked " + res.server
	switch {
	case res.cached:
		how = "cached"
	case res.stale:
		how = "no help from the servers"
	}
	t.steps = append(t.steps, Step{"query", fmt.Sprintf("%s: %s (%s, good for %s%s)", q, res.text(),
		how, res.expires.Sub(now).Round(time.Second), flags(res.authentic, res.stale))})
}

// text returns what the answer says, in short.
func (a *answer) text() string {
	var parts []string
	for _, mx := range a.mx {
		parts = append(parts, fmt.Sprintf("%d %s", mx.preference, cmp.Or(mx.host, ".")))
	}
	for _, addr := range a.addrs {
		parts = append(parts, addr.String())
	}
	if n := len(parts); n > maxShown {
		parts = append(parts[:maxShown], fmt.Sprintf("and %d more", n-maxShown))
	}
	text := strings.Join(parts, ", ")
	switch a.outcome {
	case noData:
		text = "no such record"
	case noName:
		text = "no such name"
	case failed:
		text = "failed: " + a.err.Error()
	}
	for _, alias := range a.aliases {
		text += " via " + alias
	}
	return text
}
