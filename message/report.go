package message

import (
	"bytes"
	"strconv"
	"time"
)

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
	Content    []byte // of the message reported about; if empty, the report goes without it
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
	Status    Status // in a failure report a temporary status means that the time was up
	// RemoteMTA is the name of the host whose answer Status is; "" if none answered.
	RemoteMTA string
	// Cause is a sentence in plain words, where more is known than the status's code tells; "": what the code says.
	Cause string
	// Mend tells that the message, or how it was sent, is what was refused: the same again would be too.
	Mend bool
	// Action overrides the Action of the report's kind (RFC 3464 2.3.3); a success is "relayed"
	// unless it says "delivered" or "expanded".
	Action         string
	LastAttempt    time.Time // zero: not told
	WillRetryUntil time.Time // for ReportDelay; zero: not told
}

// DefaultReturnFullLimit is 64 KiB.
const DefaultReturnFullLimit = 64 << 10

// BuildReport writes the whole message, with CRLF lines; the same input gives the same bytes. utf8
// tells that it can only be sent with SMTPUTF8 (RFC 6531).
//
// That is so when the address that the report goes to is not ASCII. Else the report is made to pass
// through any host, though the message that it is about may not have been: addresses in the 7-bit
// form of RFC 6533 3, the header of the original encoded. 8BITMIME may still be needed, for the body
// of an original that is returned whole; Has8Bit of the content tells.
func BuildReport(r Report) (content []byte, utf8 bool) {
	utf8 = !isASCII(r.Envelope.Sender)
	parts := []reportPart{r.textPart(utf8), r.statusPart(utf8)}
	if len(r.Content) > 0 {
		parts = append(parts, r.originalPart(utf8))
	}
	size := 2048
	for _, p := range parts {
		size += len(p.body) + 256
	}
	boundary := r.boundary(parts)
	b := r.appendHeader(make([]byte, 0, size), boundary, parts)
	b = append(b, "\r\nThis is a report in MIME format.\r\n"...)
	for _, p := range parts {
		b = append(append(append(b, "\r\n--"...), boundary...), "\r\n"...)
		b = p.append(b)
	}
	return append(append(append(b, "\r\n--"...), boundary...), "--\r\n"...), utf8
}

// reportPart is one of the parts of a report: what it is, and its lines in the encoding named.
type reportPart struct {
	contentType, description, encoding string
	body                               []byte
}

func (p *reportPart) append(b []byte) []byte {
	b = appendField(b, "Content-Description", p.description)
	b = appendField(b, "Content-Type", p.contentType)
	b = appendField(b, "Content-Transfer-Encoding", p.encoding)
	return append(append(b, "\r\n"...), p.body...)
}

// boundary returns a word that no line of the parts starts with. It ends: each try is a different
// word, and the parts hold only so many.
func (r *Report) boundary(parts []reportPart) string {
	word := make([]byte, 0, 64)
	word = append(word, "posthaste."...)
	for i := 0; i < len(r.ID) && i < 32; i++ {
		if c := r.ID[i] | 0x20; 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			word = append(word, r.ID[i])
		}
	}
	stem := len(word)
	for try := 1; ; try++ {
		clash := false
		for _, p := range parts {
			clash = clash || bytes.Contains(p.body, word)
		}
		if !clash {
			return string(word)
		}
		word = strconv.AppendInt(append(word[:stem], '.'), int64(try), 10)
	}
}

// appendHeader writes the header of the report itself (RFC 3464 2, RFC 3834 3.1, RFC 6522 3).
func (r *Report) appendHeader(b []byte, boundary string, parts []reportPart) []byte {
	b = append(b, "Date: "...)
	b = AppendDate(b, r.Now)
	b = append(b, "\r\nFrom: Mail Delivery System <"...)
	if r.From != "" {
		b = appendPath(b, r.From)
	} else {
		b = appendPath(append(b, "MAILER-DAEMON@"...), r.Hostname)
	}
	b = append(b, ">\r\nTo: <"...)
	b = appendPath(b, r.Envelope.Sender)
	b = append(b, ">\r\n"...)
	b = appendField(b, "Subject", reportSubjects[r.Kind])
	b = append(b, "Message-ID: <"...)
	b = append(append(b, r.ID...), '@')
	b = append(appendWord(b, r.Hostname), ">\r\n"...)
	if id := r.Envelope.MessageID; fitsMessageID(id) {
		b = append(append(append(b, "References: <"...), id...), ">\r\n"...)
	}
	b = append(b, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"...)
	// The report type is the subtype of the second part (RFC 6522 3).
	b = append(b, "Content-Type: multipart/report; report-type="...)
	b = append(b, parts[1].contentType[len("message/"):]...)
	b = append(append(append(b, ";\r\n\tboundary=\""...), boundary...), "\"\r\n"...)
	for _, p := range parts {
		if p.encoding == "8bit" {
			return append(b, "Content-Transfer-Encoding: 8bit\r\n"...)
		}
	}
	return b
}

// fitsMessageID tells whether id, which a peer chose, can stand in a field of ours.
func fitsMessageID(id string) bool {
	for i := 0; i < len(id); i++ {
		if c := id[i]; c <= ' ' || c >= 0x7f || c == '<' || c == '>' {
			return false
		}
	}
	return id != "" && len(id) <= maxDomain
}

var reportSubjects = [...]string{
	ReportFailure: "Undelivered mail returned to sender",
	ReportDelay:   "Your mail is delayed and still being tried",
	ReportSuccess: "Your mail was delivered or handed on",
}

// action returns the Action of a recipient (RFC 3464 2.3.3).
func (r *Report) action(to *ReportRecipient) string {
	switch {
	case to.Action != "":
		return to.Action
	case r.Kind == ReportDelay:
		return "delayed"
	case r.Kind == ReportSuccess:
		return "relayed"
	default:
		return "failed"
	}
}
