package relay

import (
	"net/netip"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// EventType says what changed. One event is one change of state.
type EventType uint8

const (
	EventAccepted   EventType = iota // on stable storage; one event a message
	EventRejected                    // refused in the session, never ours
	EventDelivered                   // the next hop answered 250
	EventDeferred                    // tried again later
	EventBounced                     // refused for good
	EventExpired                     // its time was up
	EventDropped                     // taken out by an operator, without a bounce
	EventHeld                        // waits for an operator
	EventReleased                    // no longer held
	EventSuppressed                  // ended because the recipient wants no mail
	EventCaptured                    // ended here, as its login's mail must not leave
	EventComplained                  // the recipient called it spam
	EventReport                      // a report (DSN) of ours about another message was queued
	NumEventTypes
)

var eventNames = [NumEventTypes]string{
	"accepted", "rejected", "delivered", "deferred", "bounced", "expired", "dropped",
	"held", "released", "suppressed", "captured", "complained", "report",
}

// String returns the name that the event log uses.
func (t EventType) String() string {
	if t < NumEventTypes {
		return eventNames[t]
	}
	return "unknown"
}

// Ends tells whether the event is the end of a recipient: every accepted recipient has exactly
// one such event, whatever crashes.
func (t EventType) Ends() bool {
	switch t {
	case EventDelivered, EventBounced, EventExpired, EventDropped, EventSuppressed, EventCaptured:
		return true
	}
	return false
}

// EventOf returns the event type of an attempt's result.
func EventOf(r message.Result) EventType {
	switch r {
	case message.Delivered:
		return EventDelivered
	case message.Bounced:
		return EventBounced
	case message.Expired:
		return EventExpired
	case message.Dropped:
		return EventDropped
	case message.Captured:
		return EventCaptured
	case message.Suppressed:
		return EventSuppressed
	default:
		return EventDeferred
	}
}

// Event is one line of the event log. Fields that do not apply to the type stay zero and are
// not written. Its strings may be a peer's words: nothing in them is trusted, the encoders escape
// and shorten them. An event is not changed after it was given to the log.
type Event struct {
	Type EventType
	ID   message.ID // 0 for a message that was never ours (rejected)

	Sender    string // "" is the null reverse-path
	Recipient string // of an accepted event: the first
	// Recipients is how many recipients an accepted event stands for; 0 means 1.
	Recipients int
	Domain     string // the queue the recipient waits in
	Site       string // the receiving system behind the domain
	Tenant     string
	Class      message.Class
	Size       int64

	// Status is the reply that made the state, and Command the command it answered, in upper
	// case ("MAIL FROM", "RCPT TO", "end of DATA", "connect"); "" when we concluded it ourselves.
	Status  message.Status
	Command string

	// Peer is the other side of the connection: the client of accepted and rejected events,
	// the next hop of the others.
	PeerName string
	PeerAddr netip.AddrPort
	HELO     string // what the client called itself

	Timestamp time.Time // when it happened
	Created   time.Time // when the message was accepted
	Attempts  int       // made so far, this one included
	NextDue   time.Time // of deferred: the next attempt

	Source     string // the egress source that was used, by its name
	Pool       string // the egress pool it belongs to
	Protocol   string // how it went out: ESMTP, ESMTPS, LMTP
	Reception  string // how it came in: a keyword of RFC 3848
	TLSVersion string // of the connection the event is about
	TLSCipher  string
	SessionID  string // of the session it came in by
	MessageID  string // the Message-ID field without angle brackets
	Listener   string // the listener it came in by
	AuthName   string // the credential it came in by
	// Checks tells of an accepted event what the checks of a stranger's mail found, and what followed:
	// "spf=pass dkim=none dmarc=fail iprev=pass; tag: dmarc=fail/none".
	Checks string
	// DKIM tells of an accepted event or a report how the message was signed: "d=example.com s=2026a a=rsa-sha256",
	// several with "; " between them, or "none: " and why. "": nobody wanted it signed.
	DKIM string

	Delays Delays
	// Detail tells the steps of the attempt, for trace; nil when nobody wants to know.
	Detail *Detail

	Classification string     // of bounced and deferred: policy's class of the reply
	Relates        message.ID // of a report or complaint: the message it is about
	// Removed tells that the message left the queue with this end, for the last line that
	// Postfix writes about a message. It is fine never to set it.
	Removed bool
}

// Delays are the four spans of Postfix's delays=a/b/c/d.
type Delays struct {
	BeforeQueue  time.Duration // from the first byte of the message to its acceptance
	InQueue      time.Duration // from acceptance to the start of this attempt
	Connect      time.Duration // DNS, connection, EHLO and TLS of this attempt
	Transmission time.Duration // MAIL to the final reply
}

// Total is Postfix's delay=.
func (d Delays) Total() time.Duration { return d.BeforeQueue + d.InQueue + d.Connect + d.Transmission }
