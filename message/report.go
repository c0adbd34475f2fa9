package message

import "time"

// ReportKind tells what a report says of its recipients.
type ReportKind uint8

const (
	ReportFailure ReportKind = iota // given up: Action failed
	ReportDelay                     // still tried: Action delayed
	ReportSuccess                   // handed on or delivered, as the sender asked to hear
)

// Report is what a delivery status notification is made of (RFC 3464).
type Report struct {
	Kind     ReportKind
	Hostname string    // the reporting MTA: us
	From     string    // address of the From field; "" means MAILER-DAEMON@Hostname
	Envelope *Envelope // of the message reported about
	// Recipients are those the report is about, all of one Kind.
	Recipients []ReportRecipient
	Content    []byte // of the message reported about
	Now        time.Time
	// ID makes the Message-ID and the boundary: the report's own queue id.
	ID string
	// ReturnFullLimit is the size in bytes up to which a failure returns the whole content
	// rather than its header; 0 means DefaultReturnFullLimit, negative never.
	ReturnFullLimit int
}

// ReportRecipient is what a report says of one recipient.
type ReportRecipient struct {
	Recipient Recipient
	Status    Status // in a failure report a temporary status means the time was up
	// RemoteMTA is the name of the host whose answer Status is; "" if none answered.
	RemoteMTA string
	// Action overrides the Action of the report's kind (RFC 3464 2.3.3), such as "delivered".
	Action         string
	LastAttempt    time.Time // zero: not told
	WillRetryUntil time.Time // for ReportDelay; zero: not told
}

// DefaultReturnFullLimit is 64 KiB.
const DefaultReturnFullLimit = 64 << 10

// BuildReport writes the whole message, with CRLF lines. utf8 tells that it can only be sent
// with SMTPUTF8 (RFC 6531).
func BuildReport(r Report) (content []byte, utf8 bool) { return nil, false }
