package suppress

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// Reasons that the program itself gives; others may be words of lower-case letters, digits and "-".
const (
	HardBounce = "hard-bounce"
	Manual     = "manual"
	Imported   = "import"
)

// Entry says that an address or a whole domain gets no mail of a tenant.
type Entry struct {
	// Tenant owns the entry; the entries of "" hold for all tenants.
	Tenant string
	// Target is an address or a domain. A domain stands for all addresses at it, not for those at
	// its subdomains. Case is of no account, neither in the domain nor before the "@".
	Target string
	// Reason is a word such as "hard-bounce", "complaint" or "unsubscribe"; "" becomes "manual".
	Reason string
	// Evidence tells what it rests on.
	Evidence Evidence
	// Since is kept to the second; zero becomes now.
	Since time.Time
	// Until is when the entry ends; zero means never.
	Until time.Time
}

// Evidence tells what an entry or a bounce rests on.
type Evidence struct {
	Event  string // id of the event that tells the whole story
	Remote string // the remote host's words, cut to message.StatusTextLimit and cleaned
}

const (
	maxTenant = 64
	maxReason = 32
	maxEvent  = 128
)

// FieldError says which field of an entry is wrong. Field is its name in imported files.
type FieldError struct {
	Field string
	Err   error
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns what is wrong with the field.
func (e *FieldError) Unwrap() error { return e.Err }

// normal returns the entry as it is kept. The error is a *FieldError.
func (e Entry) normal(now time.Time) (Entry, error) {
	if err := checkTenant(e.Tenant); err != nil {
		return e, &FieldError{"tenant", err}
	}
	target, err := ParseTarget(e.Target)
	if err != nil {
		return e, &FieldError{"target", err}
	}
	e.Target = target
	if e.Reason == "" {
		e.Reason = Manual
	}
	if err := checkReason(e.Reason); err != nil {
		return e, &FieldError{"reason", err}
	}
	if len(e.Evidence.Event) > maxEvent || message.CleanLine(e.Evidence.Event, maxEvent) != e.Evidence.Event {
		return e, &FieldError{"event", fmt.Errorf("not an id of at most %d printable characters", maxEvent)}
	}
	e.Evidence.Remote = strings.TrimSpace(message.CleanText(e.Evidence.Remote, message.StatusTextLimit))
	if e.Since.IsZero() {
		e.Since = now
	}
	if e.Since, err = second(e.Since); err != nil {
		return e, &FieldError{"since", err}
	}
	if e.Until.IsZero() {
		return e, nil
	}
	if e.Until, err = second(e.Until); err != nil {
		return e, &FieldError{"until", err}
	}
	if !e.Until.After(e.Since) {
		return e, &FieldError{"until", errors.New("not later than since")}
	}
	return e, nil
}

// ended tells whether the entry holds no more.
func (e *Entry) ended(now time.Time) bool { return !e.Until.IsZero() && !now.Before(e.Until) }

func second(t time.Time) (time.Time, error) {
	if t.Year() < 1970 || t.Year() > 9999 {
		return t, errors.New("a year outside 1970 to 9999")
	}
	return t.UTC().Truncate(time.Second), nil
}

func checkTenant(s string) error {
	if len(s) > maxTenant || message.CleanLine(s, maxTenant) != s || strings.TrimSpace(s) != s {
		return fmt.Errorf("not a name of at most %d printable characters", maxTenant)
	}
	return nil
}

func checkReason(s string) error {
	if len(s) > maxReason || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("not a word of at most %d characters a-z, 0-9 and -", maxReason)
	}
	return nil
}
