package milter

import (
	"fmt"

	"github.com/posthaste-mta/posthaste/message"
)

// Action is what is to become of a message.
type Action byte

// The actions.
const (
	ActionAccept   Action = iota
	ActionHold            // accept, but deliver only when an operator says so
	ActionDiscard         // tell the client that it was accepted, and drop it
	ActionReject          // answer with Status, a 5yz
	ActionTempfail        // answer with Status, a 4yz
)

// String returns the action's name.
func (a Action) String() string {
	switch a {
	case ActionAccept:
		return "accept"
	case ActionHold:
		return "hold"
	case ActionDiscard:
		return "discard"
	case ActionReject:
		return "reject"
	case ActionTempfail:
		return "tempfail"
	default:
		return fmt.Sprintf("action %d", byte(a))
	}
}

// Verdict is a filter's decision and the message as it wants it. All text in it is fit for replies, logs and headers.
type Verdict struct {
	// Scanner is the name of the filter that decided.
	Scanner string
	Action  Action
	// Status is the reply for ActionReject and ActionTempfail.
	Status message.Status
	// Reason is why the message is held.
	Reason string
	// Content replaces that of the message; nil: it stays.
	Content []byte
	// Sender replaces the envelope's sender if SenderChanged.
	Sender        string
	SenderChanged bool
	// Added are new recipients, Removed those of the message that no longer are. A verdict that leaves none is
	// ActionDiscard.
	Added, Removed []string
	// Err tells that the filter failed, and that Action is what OnFailure says.
	Err error
}

// apply returns m as v wants it.
func (v *Verdict) apply(m Message) Message {
	if v.Content != nil {
		m.Content = v.Content
	}
	if v.SenderChanged {
		m.Sender = v.Sender
	}
	if len(v.Added)+len(v.Removed) == 0 {
		return m
	}
	gone := make(map[string]bool, len(v.Removed))
	for _, r := range v.Removed {
		gone[r] = true
	}
	var left []string
	for _, r := range m.Recipients {
		if !gone[r] {
			left = append(left, r)
		}
	}
	m.Recipients = append(left, v.Added...)
	return m
}
