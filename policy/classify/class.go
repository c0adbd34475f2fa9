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
	cause  string
}{
	Unknown:          {"unknown", FollowCode, ""},
	BadMailbox:       {"bad-mailbox", CountBounce, "There is no such mailbox at that domain. Please check the part before the @."},
	BadDomain:        {"bad-domain", CountBounce, "There is no such domain, or it takes no mail. Please check the part after the @."},
	FullMailbox:      {"full-mailbox", FollowCode, "The mailbox is full."},
	Greylisted:       {"greylisted", RetrySoon, "The receiving server wanted to have the message later."},
	RateOrReputation: {"rate-or-reputation", SlowDown, "The receiving server wants less mail from here, or thinks ill of where it comes from."},
	Content:          {"content", MendSending, "The receiving server does not accept what the message contains."},
	PolicyOrAuth:     {"policy-or-auth", MendSending, "The receiving server does not allow this delivery."},
	Protocol:         {"protocol", MendSending, "The receiving server and this one did not understand each other."},
	Network:          {"network", FollowCode, "The receiving server could not be reached."},
}

// String returns the name that events, metrics and rule files use.
func (c Class) String() string {
	if c >= NumClasses {
		c = Unknown
	}
	return classes[c].name
}

// Cause says in a sentence, to whoever sent the message, why it was refused; "" for Unknown.
func (c Class) Cause() string {
	if c >= NumClasses {
		c = Unknown
	}
	return classes[c].cause
}

// Action returns what the class calls for unless an operator says otherwise; see Table.Action.
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

// Of returns the class of that name, as events have it; Unknown if it is none.
func Of(name string) Class {
	var c Class
	if c.UnmarshalText([]byte(name)) != nil {
		return Unknown
	}
	return c
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
	// SlowDown: the receiver wants less from us, or thinks ill of the source: the wait is twice as long. It
	// says nothing of the recipient.
	SlowDown
	// CountBounce: if permanent, it counts as a hard bounce of the recipient, for suppression.
	CountBounce
	// MendSending: the message, or how it is sent, must change; trying again or another recipient
	// will not help, and a bounce says so.
	MendSending
	numActions
)

var actions = [numActions]struct{ name, words string }{
	FollowCode:  {"follow-code", "nothing beyond what the code says"},
	RetrySoon:   {"retry-soon", "the next attempt comes early, from the same source"},
	SlowDown:    {"slow-down", "the wait until the next attempt is twice as long; says nothing of the recipient"},
	CountBounce: {"count-bounce", "a permanent refusal counts as a hard bounce of the recipient"},
	MendSending: {"mend-sending", "the bounce says that the message, or how it is sent, has to change"},
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

// UnmarshalText reads a name as String returns it.
func (a *Action) UnmarshalText(text []byte) error {
	for i := range actions {
		if actions[i].name == string(text) {
			*a = Action(i)
			return nil
		}
	}
	return fmt.Errorf("there is no action %.40q", text)
}

// AboutRecipient tells whether a refusal of the class says something about the recipient. No other may be counted
// as a bounce of theirs, whatever an operator says: reputation, policy and content are the sender's.
func (c Class) AboutRecipient() bool { return c == BadMailbox || c == BadDomain || c == FullMailbox }
