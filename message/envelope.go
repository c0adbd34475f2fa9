// Package message says what a message is: its envelope and recipients (RFC 5321), its
// addresses and header (RFC 5322), the status of a delivery (RFC 3463) and the report about one
// that failed (RFC 3464). It does no input or output and imports nothing of ours.
package message

import (
	"net/netip"
	"time"
)

// Envelope is all of a message but its recipients and its content. Once given to the queue it
// is shared and must not be changed.
type Envelope struct {
	// ID is given by the queue when the message is accepted.
	ID ID
	// Sender is the reverse-path without angle brackets; "" is the null reverse-path.
	Sender string
	// Body is what the sender declared of the content (RFC 6152, RFC 3030).
	Body BodyType
	// UTF8 tells that the sender gave SMTPUTF8 (RFC 6531): the next hop must offer it too.
	UTF8 bool
	// RequireTLS tells that the sender gave REQUIRETLS (RFC 8689).
	RequireTLS bool
	// Return is the RET parameter (RFC 3461 4.3): how much a bounce sends back.
	Return Return
	// EnvelopeID is the ENVID parameter (RFC 3461 4.4), decoded from xtext; "" if none.
	EnvelopeID string
	// Size is the length of the content in bytes, as it is kept and sent (before dot-stuffing).
	Size int64
	// ArrivedAt is when the content was complete.
	ArrivedAt time.Time
	// MessageID is the Message-ID field without angle brackets, for logs; "" if there is none.
	MessageID string
	// Tenant owns the message; "" is the default tenant.
	Tenant string
	// Class is the priority class; it decides whose turn it is, never whether to deliver.
	Class Class
	// Origin tells how the message came in.
	Origin Origin
}

// Origin tells how a message came in, for events and reports.
type Origin struct {
	Listener  string     // the listener's name in the configuration; "" for our own reports
	Protocol  string     // the keyword of RFC 3848, such as ESMTPS; "" for our own reports
	HELO      string     // what the client called itself
	Client    netip.Addr // the client's address
	SessionID string
	AuthName  string // the credential's name; "" if the client had not logged in
}

// Recipient is one forward-path of a message with what the sender asked for it.
type Recipient struct {
	// Address is the forward-path without angle brackets, as given by the sender.
	Address string
	// Domain is the destination domain in lower case and as A-labels, or an address literal
	// in brackets. It names the queue that the recipient waits in.
	Domain string
	// Notify is the NOTIFY parameter (RFC 3461 4.1); 0 means it was not given.
	Notify Notify
	// OriginalType and Original are the ORCPT parameter (RFC 3461 4.2): its address type, such as
	// "rfc822", and the address decoded from xtext; both "" if not given.
	OriginalType, Original string
	// Last is the newest outcome for this recipient; Code 0 before the first attempt.
	Last Status
}

// BodyType is the BODY parameter of MAIL.
type BodyType uint8

const (
	Body7Bit   BodyType = iota // not given, or 7BIT
	Body8Bit                   // 8BITMIME (RFC 6152)
	BodyBinary                 // BINARYMIME (RFC 3030); not offered, kept for the codec
)

// Return is the RET parameter of MAIL.
type Return uint8

const (
	ReturnUnset Return = iota
	ReturnHeaders
	ReturnFull
)

// Notify is the NOTIFY parameter of RCPT, a set.
type Notify uint8

const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

// WantsFailure tells whether a bounce may be sent: asked for, or nothing said (RFC 3461 4.1).
func (n Notify) WantsFailure() bool { return n == 0 || n&NotifyFailure != 0 }

// WantsDelay tells whether a delay warning may be sent: asked for, or nothing said.
func (n Notify) WantsDelay() bool { return n == 0 || n&NotifyDelay != 0 }

// Class is a priority class. Within a site, classes share by weight: a lower one is slower,
// never starved.
type Class uint8

const (
	ClassNormal        Class = iota // the default
	ClassTransactional              // password resets, receipts, our own reports
	ClassBulk                       // newsletters
	NumClasses
)

// String returns the class's name in the configuration.
func (c Class) String() string {
	switch c {
	case ClassTransactional:
		return "transactional"
	case ClassBulk:
		return "bulk"
	default:
		return "normal"
	}
}
