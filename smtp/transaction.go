package smtp

import (
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// Transaction is one message for some of its recipients, to be given to one peer. It is only
// read, and must not be changed until the Send for it has returned.
type Transaction struct {
	// Envelope gives the sender and the parameters of MAIL.
	Envelope *message.Envelope
	// Recipients are named in this order; more than the peer takes are refused by it one by one.
	Recipients []message.Recipient
	// Content is the message with CRLF line ends only and without dot-stuffing. A missing final
	// CRLF is added on the wire. It must not begin with a line that is an SMTP command: a relay's
	// Received field sees to that.
	Content []byte
}

// Result is what became of one Transaction.
type Result struct {
	// Recipients has one status for each of Transaction.Recipients, in the same order. A positive
	// one is the peer's reply to the end of the data. Code 0 means that no reply told this
	// recipient's end: see Err and Sent. Remote is false where we decided without asking the peer.
	Recipients []message.Status
	// Err is not nil when the connection is of no further use: dropped, timed out, cancelled,
	// out of step, or the peer said 421 (then Err wraps that message.Status). It is a *PhaseError.
	Err error
	// Sent tells that the end of the data was handed to the kernel. With Code 0 the recipient is
	// then in doubt: the peer may have taken the message.
	Sent bool
	// Taken tells in LMTP which of Recipients the peer took at RCPT: the status of each of those is the reply to the end
	// of the data. In SMTP it is nil, as there is one such reply, which Trace has.
	Taken []bool
	// Trace is the dialogue's outline.
	Trace Trace
}

// Trace tells how a transaction went, for an operator who asks. Replies that were not read have
// Code 0; durations count from Start and are 0 for what did not happen.
type Trace struct {
	Start time.Time // when MAIL was written
	// Mail and Final are the replies to MAIL and to the end of the data, Rcpt the first
	// positive one to RCPT, Data that to DATA (absent with BDAT). In LMTP Final is the first negative one, if any is.
	Mail, Rcpt, Data, Final message.Status
	// MailAt, RcptAt (the last), DataAt and FinalAt tell when the reply was read, SentAt when the
	// end of the data was written.
	MailAt, RcptAt, DataAt, SentAt, FinalAt time.Duration
	// Chunked tells that BDAT was used.
	Chunked bool
}
