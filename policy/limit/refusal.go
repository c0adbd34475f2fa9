package limit

import (
	"fmt"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// Refusal tells which limit was reached. As an error it is also a message.Status (errors.As).
type Refusal struct {
	Rule Rule
	// Name is the subject's; that of a sender or domain is what the client said: untrusted.
	Name string
	// Wait is when to come back; 0 if nobody knows: some connection must end first.
	Wait time.Duration

	status message.Status
}

// Error returns the reply.
func (r *Refusal) Error() string { return r.status.Error() }

// Unwrap returns the reply, a message.Status.
func (r *Refusal) Unwrap() error { return r.status }

// maxNamed bounds how much of a name is said back.
const maxNamed = 100

var subjectWords = [numSubjects]string{"client", "credential", "tenant", "sender", "recipient domain", "listener"}

func (l *Limiter) refusal(r *rule, who *Who, n, wait int64) *Refusal {
	e := &Refusal{Rule: r.Rule, Name: who.name(r.Subject), Wait: time.Duration(wait)}
	e.status.Code, e.status.Enhanced = code(r)
	text := fmt.Sprintf("limit of %s for %s %s reached", r.Rule, subjectWords[r.Subject], message.CleanLine(e.Name, maxNamed))
	switch {
	case r.Kind == Concurrent:
		e.Wait = 0
		text += "; try again when one has ended"
	case r.Kind == Rate && n > r.Burst:
		text += fmt.Sprintf("; no more than %d can come at once", r.Burst)
	default:
		text += "; try again in " + words(e.Wait)
	}
	e.status.Text = text
	return e
}

// code returns the reply codes: a connection ends with 421 (RFC 5321 3.8), a used-up quota is 452, a
// rate 450.
func code(r *rule) (int, message.EnhancedCode) {
	switch {
	case r.Unit == Connections:
		return 421, message.EnhancedCode{4, 7, 0}
	case r.Kind == Quota:
		return 452, message.EnhancedCode{4, 3, 1}
	default:
		return 450, message.EnhancedCode{4, 7, 1}
	}
}

// words returns a wait as people say it, rounded up.
func words(d time.Duration) string {
	unit, name := time.Second, "second"
	switch {
	case d > 2*time.Hour:
		unit, name = time.Hour, "hour"
	case d > 2*time.Minute:
		unit, name = time.Minute, "minute"
	}
	n := max((d+unit-1)/unit, 1)
	if n > 1 {
		name += "s"
	}
	return fmt.Sprintf("%d %s", n, name)
}
