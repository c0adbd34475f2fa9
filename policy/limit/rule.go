package limit

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Subject is what a rule counts by.
type Subject uint8

// The subjects. Each of them has its own count under one rule.
const (
	Client     Subject = iota // the address of the peer: an IPv4 address, an IPv6 /64
	Credential                // the name that was used to log in
	Tenant
	Sender   // the address in MAIL FROM, in lower case
	Domain   // the recipient's, in lower case and as A-label
	Listener // all that comes in by one
	numSubjects
)

var subjectNames = []string{"client", "credential", "tenant", "sender", "domain", "listener"}

// String returns the subject's name in the configuration.
func (s Subject) String() string { return nameOf(subjectNames, int(s)) }

// UnmarshalText reads a name as String returns it.
func (s *Subject) UnmarshalText(text []byte) error {
	i, err := indexOf(subjectNames, text, "subject")
	*s = Subject(i)
	return err
}

// Unit is what a rule counts.
type Unit uint8

// The units.
const (
	Messages Unit = iota
	Recipients
	Connections
	numUnits
)

var unitNames = []string{"messages", "recipients", "connections"}

// String returns the unit's name in the configuration.
func (u Unit) String() string { return nameOf(unitNames, int(u)) }

// UnmarshalText reads a name as String returns it.
func (u *Unit) UnmarshalText(text []byte) error {
	i, err := indexOf(unitNames, text, "unit")
	*u = Unit(i)
	return err
}

// Kind is how a rule counts.
type Kind uint8

// The kinds.
const (
	// Rate is so many in a period, which flow back steadily: after a burst, the next comes free after
	// Period/Amount. In any time span at most Burst and span*Amount/Period pass.
	Rate Kind = iota
	// Quota is so many in a calendar day. It is kept over restarts.
	Quota
	// Concurrent is so many open at the same time.
	Concurrent
	numKinds
)

var kindNames = []string{"rate", "quota", "concurrent"}

// String returns the kind's name in the configuration.
func (k Kind) String() string { return nameOf(kindNames, int(k)) }

// UnmarshalText reads a name as String returns it.
func (k *Kind) UnmarshalText(text []byte) error {
	i, err := indexOf(kindNames, text, "kind")
	*k = Kind(i)
	return err
}

func nameOf(names []string, i int) string {
	if i >= len(names) {
		return "?"
	}
	return names[i]
}

func indexOf(names []string, text []byte, what string) (int, error) {
	if i := slices.Index(names, string(text)); i >= 0 {
		return i, nil
	}
	return 0, fmt.Errorf("limit: %.40q is no %s; there are %q", text, what, names)
}

// Rule is one limit.
type Rule struct {
	Subject Subject
	// For is the one it holds for, such as the name of a credential or a network's address; "" means
	// everybody. A rule for one takes the place of the rule for everybody that counts alike (same
	// subject, unit, kind and period), and of no other.
	For  string
	Unit Unit
	Kind Kind
	// Amount is how many pass: in a Period, in a day, or at the same time.
	Amount int64
	// Period is that of a Rate, from a second to a day; other kinds have none.
	Period time.Duration
	// Burst is how many may come at once under a Rate; 0 means Amount.
	Burst int64
}

const (
	day       = 24 * time.Hour
	maxAmount = 1_000_000_000
	// maxAlike bounds the rules for one subject and unit, and so the work of one Take.
	maxAlike = 8
)

// Validate tells what in a rule cannot be meant.
func (r Rule) Validate() error {
	switch {
	case r.Subject >= numSubjects || r.Unit >= numUnits || r.Kind >= numKinds:
		return errors.New("limit: no such subject, unit or kind")
	case r.Amount < 1 || r.Amount > maxAmount:
		return fmt.Errorf("limit: amount %d is not from 1 to %d", r.Amount, maxAmount)
	case r.Kind == Rate && (r.Period < time.Second || r.Period > day):
		return fmt.Errorf("limit: period %v is not from a second to a day", r.Period)
	case r.Kind != Rate && (r.Period != 0 || r.Burst != 0):
		return fmt.Errorf("limit: a %s limit has neither period nor burst", r.Kind)
	case r.Burst < 0 || r.Burst > maxAmount:
		return fmt.Errorf("limit: burst %d is not from 0 to %d", r.Burst, maxAmount)
	case r.Kind == Rate && max(r.Burst, r.Amount)/r.Amount > 1000:
		return fmt.Errorf("limit: burst %d is more than 1000 times amount %d", r.Burst, r.Amount)
	case r.Kind == Concurrent && r.Unit != Connections:
		return fmt.Errorf("limit: %s cannot be concurrent, only connections", r.Unit)
	case r.Subject == Domain && r.Unit != Recipients:
		return fmt.Errorf("limit: a recipient domain has recipients, not %s", r.Unit)
	case r.Unit == Connections && r.Subject == Sender:
		return errors.New("limit: a sender has no connections")
	}
	return nil
}

// String returns the limit in words: "100 messages an hour".
func (r Rule) String() string {
	unit := r.Unit.String()
	if r.Amount == 1 {
		unit = unit[:len(unit)-1]
	}
	words := fmt.Sprintf("%d %s ", r.Amount, unit)
	if r.Kind == Concurrent {
		return words + "at once"
	}
	switch r.Period {
	case 0:
		return words + "in one day"
	case time.Second:
		return words + "a second"
	case time.Minute:
		return words + "a minute"
	case time.Hour:
		return words + "an hour"
	case day:
		return words + "a day"
	default:
		return words + "in " + r.Period.String()
	}
}
