// Package classify says what a refusal is about, and what that calls for. The knowledge is in rules/,
// files that anybody can read and add to; README.md there tells how.
package classify

import "fmt"

// Class is what a refusal is about.
type Class uint8

// The classes.
const (
	Unknown          Class = iota
	BadMailbox             // no such mailbox, or it is closed
	BadDomain              // no such domain, or it takes no mail
	FullMailbox            // over quota
	Greylisted             // come back later; nothing is wrong
	RateOrReputation       // too much, too fast, or the source is on a list
	Content                // the content is refused: spam, virus, size
	PolicyOrAuth           // not allowed: SPF, DKIM, DMARC, TLS, relaying
	Protocol               // the peers do not understand each other
	Network                // no connection, no answer, no DNS
	NumClasses
)

// classes is what there is to say of each class.
var classes = [NumClasses]struct {
	name   string
	action Action
}{
	Unknown:          {"unknown", FollowCode},
	BadMailbox:       {"bad-mailbox", CountBounce},
	BadDomain:        {"bad-domain", CountBounce},
	FullMailbox:      {"full-mailbox", FollowCode},
	Greylisted:       {"greylisted", RetrySoon},
	RateOrReputation: {"rate-or-reputation", SlowDown},
	Content:          {"content", MendSending},
	PolicyOrAuth:     {"policy-or-auth", MendSending},
	Protocol:         {"protocol", MendSending},
	Network:          {"network", FollowCode},
}

// String returns the name that events, metrics and rule files use.
func (c Class) String() string {
	if c >= NumClasses {
		c = Unknown
	}
	return classes[c].name
}

// Action returns what the class calls for.
func (c Class) Action() Action {
	if c >= NumClasses {
		c = Unknown
	}
	return classes[c].action
}

// UnmarshalText reads a name as String returns it.
func (c *Class) UnmarshalText(text []byte) error {
	for i := range classes {
		if classes[i].name == string(text) {
			*c = Class(i)
			return nil
		}
	}
	return fmt.Errorf("there is no class %.40q", text)
}

// Action is what a class of replies calls for, beyond what the code says: 4yz is tried again by the
// schedule, 5yz goes back to the sender.
type Action uint8

// The actions.
const (
	// FollowCode is no more than the code says.
	FollowCode Action = iota
	// RetrySoon: the next attempt is early, and from the same source.
	RetrySoon
	// SlowDown: the receiver wants less from us, or thinks ill of the source. It says nothing of the
	// recipient.
	SlowDown
	// CountBounce: if permanent, it counts as a hard bounce of the recipient, for suppression.
	CountBounce
	// MendSending: the message, or how it is sent, must change; trying again or another recipient
	// will not help.
	MendSending
	numActions
)

var actions = [numActions]struct{ name, words string }{
	FollowCode:  {"follow-code", "nothing beyond what the code says"},
	RetrySoon:   {"retry-soon", "the next attempt comes early, from the same source"},
	SlowDown:    {"slow-down", "the receiver wants less, or thinks ill of the source; says nothing of the recipient"},
	CountBounce: {"count-bounce", "a permanent refusal counts as a hard bounce of the recipient"},
	MendSending: {"mend-sending", "the message, or how it is sent, has to change; says nothing of the recipient"},
}

// String returns the action's name.
func (a Action) String() string {
	if a >= numActions {
		a = FollowCode
	}
	return actions[a].name
}

// Words says in a sentence what the action is.
func (a Action) Words() string {
	if a >= numActions {
		a = FollowCode
	}
	return actions[a].words
}
