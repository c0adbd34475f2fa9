package message

import (
	"bytes"
	"mime/quotedprintable"
)

// maxReturnedHeader bounds the header that a report returns, in bytes.
const maxReturnedHeader = 64 << 10

// originalPart returns the message that the report is about: the whole, when it has failed, is small
// enough and its sender did not ask for less (RET, RFC 3461 4.3); else its header. A sender who asked
// for REQUIRETLS asked for less too: the way back may be in the clear (RFC 8689 5). A message with lines longer than
// allowed cannot be returned whole, because message/rfc822 may not be encoded and the report would be refused for them.
func (r *Report) originalPart(wide bool) reportPart {
	limit := r.ReturnFullLimit
	if limit == 0 {
		limit = DefaultReturnFullLimit
	}
	less := r.Envelope.Return == ReturnHeaders || r.Envelope.RequireTLS || hasLongLine(r.Content)
	if r.Kind == ReportFailure && !less && len(r.Content) <= limit {
		return r.wholeOriginal(wide)
	}
	return r.originalHeader(wide)
}

// wholeOriginal returns message/rfc822, or if the header has UTF-8 and the sender declared it,
// message/global (RFC 6532 3.7): that one may be encoded, which keeps it whole where the way back
// has no SMTPUTF8. message/rfc822 may not (RFC 2046 5.2.1).
func (r *Report) wholeOriginal(wide bool) reportPart {
	p := reportPart{contentType: "message/rfc822", description: "Undelivered message", encoding: "7bit", body: r.Content}
	global := r.Envelope.UTF8 && Has8Bit(r.Content[:HeaderEnd(r.Content)])
	if global {
		p.contentType = "message/global"
	}
	switch {
	case !Has8Bit(r.Content):
	case global && !wide:
		p.encoding, p.body = "quoted-printable", quotedPrintable(r.Content)
	default:
		p.encoding = "8bit"
	}
	return p
}

// originalHeader returns text/rfc822-headers (RFC 6522 4) or message/global-headers (RFC 6533 4.3).
func (r *Report) originalHeader(wide bool) reportPart {
	end := 0
	for f := range Fields(r.Content) {
		if f.End > maxReturnedHeader {
			break // a bound, not at any price the whole: the rest says little of the message
		}
		end = f.End
	}
	p := reportPart{contentType: "text/rfc822-headers", description: "Header of the message", encoding: "7bit", body: r.Content[:end]}
	long := hasLongLine(p.body)
	if !Has8Bit(p.body) && !long {
		return p
	}
	if r.Envelope.UTF8 && Has8Bit(p.body) {
		p.contentType = "message/global-headers"
		if wide && !long {
			p.encoding = "8bit"
			return p
		}
	}
	p.encoding, p.body = "quoted-printable", quotedPrintable(p.body)
	return p
}

// hasLongLine tells whether there is a line that not every host takes (RFC 5322 2.1.1).
func hasLongLine(content []byte) bool { return CheckLines(content, 998) == ErrLongLine }

// quotedPrintable encodes lines that end with CRLF (RFC 2045 6.7).
func quotedPrintable(lines []byte) []byte {
	var out bytes.Buffer
	w := quotedprintable.NewWriter(&out)
	_, _ = w.Write(lines) // a bytes.Buffer takes all
	_ = w.Close()
	return out.Bytes()
}
