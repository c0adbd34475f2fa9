package auth

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/posthaste-mta/posthaste/message"
)

// Credential is a name that may log in, and what it may do then. Values that a Book or a Live hand
// out are shared and must not be changed.
type Credential struct {
	// Name is what the client logs in with, without blanks and case: "shop" or "ann@example.com".
	Name string
	// Tenant and Class are those of the mail that it sends.
	Tenant string
	Class  message.Class
	// Senders are the addresses it may send as: "news@example.com", a domain "example.com",
	// ".example.com" for all domains below, "*" for any. Empty: none, and nothing can be sent.
	Senders []string
	Limits  Limits
	// Disabled is the kill switch: no login, and open sessions end at their next command.
	Disabled bool
	// Capture takes everything and lets nothing leave: for staging systems.
	Capture bool
	// Note is an operator's own.
	Note string

	// Created and Rotated tell when it and its present secret were made, UTC, to the second.
	Created, Rotated time.Time
	// PreviousUntil tells how long the secret before the present one is good too; zero if it is not.
	PreviousUntil time.Time
	// ReadOnly tells that it comes from the configuration and is changed there.
	ReadOnly bool
}

// Limits bound what a credential may send. 0 means no limit.
type Limits struct {
	Messages, Recipients Rates
	// Connections at a time.
	Connections int
	// MessageBytes of one message.
	MessageBytes int64
}

// Rates are counts for each period; all that are set apply.
type Rates struct {
	PerSecond, PerHour, PerDay int
}

const (
	maxTenant  = 64
	maxNote    = 1000
	maxSenders = 1000
)

// check tells what is wrong with a credential.
func (c *Credential) check() error {
	switch _, ok := nameKey(c.Name); {
	case !ok:
		return fmt.Errorf("name %q is empty, longer than %d bytes or has blanks or characters that SASLprep (RFC 4013) does not allow",
			message.CleanLine(c.Name, maxName), maxName)
	case len(c.Tenant) > maxTenant || message.CleanLine(c.Tenant, maxTenant) != c.Tenant:
		return fmt.Errorf("tenant is longer than %d bytes or has control characters", maxTenant)
	case c.Class >= message.NumClasses:
		return fmt.Errorf("class %d is unknown", c.Class)
	case len(c.Note) > maxNote || !utf8.ValidString(c.Note):
		return fmt.Errorf("note is longer than %d bytes or not UTF-8", maxNote)
	case len(c.Senders) > maxSenders:
		return fmt.Errorf("more than %d senders", maxSenders)
	}
	l := &c.Limits
	for _, r := range []Rates{l.Messages, l.Recipients} {
		if r.PerSecond < 0 || r.PerHour < 0 || r.PerDay < 0 {
			return fmt.Errorf("a rate is negative")
		}
	}
	if l.Connections < 0 || l.MessageBytes < 0 {
		return fmt.Errorf("a limit is negative")
	}
	return nil
}
