package message

import (
	"strings"
	"time"
)

// statusPart writes the part that programs read: message/delivery-status (RFC 3464 2.1), or its
// form for UTF-8 (RFC 6533 4.1).
func (r *Report) statusPart(wide bool) reportPart {
	p := reportPart{contentType: "message/delivery-status", description: "Delivery report", encoding: "7bit"}
	if wide {
		p.contentType, p.encoding = "message/global-delivery-status", "8bit"
	}
	kind := "dns"
	if !strings.Contains(r.Hostname, ".") { // the type dns is for full names (RFC 3461 6.3)
		kind = "x-local-hostname"
	}
	b := appendTyped(nil, "Reporting-MTA", kind, string(appendWord(nil, r.Hostname)))
	if id := r.Envelope.EnvelopeID; id != "" {
		b = appendVerbatim(b, "Original-Envelope-Id", narrow(CleanLine(id, maxEnvelopeID)))
	}
	b = appendDateField(b, "Arrival-Date", r.Envelope.ArrivedAt)
	for i := range r.Recipients {
		b = append(b, "\r\n"...)
		b = r.appendStatus(b, &r.Recipients[i], wide)
	}
	p.body = b
	return p
}

// maxEnvelopeID bounds an ENVID, in bytes (RFC 3461 4.4 has 100 characters of xtext).
const maxEnvelopeID = 200

// appendStatus writes the fields of one recipient (RFC 3464 2.3).
func (r *Report) appendStatus(b []byte, to *ReportRecipient, wide bool) []byte {
	if kind := to.Recipient.OriginalType; kind != "" {
		b = appendAddressField(b, "Original-Recipient", string(appendWord(nil, kind)), to.Recipient.Original, wide)
	}
	b = appendAddressField(b, "Final-Recipient", "rfc822", to.Recipient.Address, wide)
	b = appendField(b, "Action", string(appendWord(nil, r.action(to))))
	b = appendField(b, "Status", r.status(to).String())
	if to.RemoteMTA != "" {
		b = appendTyped(b, "Remote-MTA", "dns", string(appendWord(nil, to.RemoteMTA)))
	}
	if to.Status.Code != 0 {
		kind, text := "smtp", to.Status
		text.Text = CleanLine(text.Text, StatusTextLimit)
		diagnostic := strings.TrimSpace(text.String())
		if !to.Status.Remote {
			kind, diagnostic = "X-Posthaste", text.Text
		}
		if !wide {
			diagnostic = narrow(diagnostic)
		}
		if diagnostic != "" {
			b = appendTyped(b, "Diagnostic-Code", kind, diagnostic)
		}
	}
	b = appendDateField(b, "Last-Attempt-Date", to.LastAttempt)
	if r.Kind == ReportDelay {
		b = appendDateField(b, "Will-Retry-Until", to.WillRetryUntil)
	}
	return b
}

// status returns the Status of a recipient. A code that the peer made up, or that says something
// else than its reply did, is replaced by the one that says no more than the reply's first digit.
func (r *Report) status(to *ReportRecipient) EnhancedCode {
	class := to.Status.Code / 100
	if class != 2 && class != 4 && class != 5 {
		class = [...]int{ReportFailure: 5, ReportDelay: 4, ReportSuccess: 2}[r.Kind]
	}
	e := to.Status.Enhanced
	if e[0] != class || e[1] < 0 || e[1] > 999 || e[2] < 0 || e[2] > 999 {
		return EnhancedCode{class, 0, 0}
	}
	return e
}

// appendAddressField writes an address with its type. One that is not ASCII gets the type utf-8, and
// unless wide the 7-bit form (RFC 6533 3).
func appendAddressField(b []byte, name, kind, addr string, wide bool) []byte {
	if !isASCII(addr) {
		kind = "utf-8"
	}
	if !wide && strings.EqualFold(kind, "utf-8") {
		addr = encodeUnitext(addr, false)
	}
	return appendVerbatim(b, name, kind+"; "+CleanLine(addr, 4*maxOriginal))
}

// appendVerbatim writes a field whose every space counts, such as one in a quoted local part, if it fits one line.
func appendVerbatim(b []byte, name, value string) []byte {
	if len(value) > maxWord {
		return appendField(b, name, value)
	}
	return append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
}

func appendTyped(b []byte, name, kind, value string) []byte {
	return appendField(b, name, kind+"; "+value)
}

func appendDateField(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(append(b, name...), ": "...)
	return append(AppendDate(b, t), "\r\n"...)
}

// foldAt is the width that lines keep to where they can (RFC 5322 2.1.1), and maxWord the length at
// which a word is cut so that no line can pass 998, whatever a peer wrote.
const (
	foldAt  = 78
	maxWord = 900
)

// appendField writes a field, folded between words. value is one line without control characters.
func appendField(b []byte, name, value string) []byte {
	b = append(append(b, name...), ':')
	width := len(name) + 1
	for word := range strings.FieldsSeq(value) {
		word = CleanLine(word, maxWord)
		if width+1+len(word) > foldAt && width > len(name)+1 {
			b = append(b, "\r\n"...)
			width = 0
		}
		b = append(append(b, ' '), word...)
		width += 1 + len(word)
	}
	return append(b, "\r\n"...)
}

// narrow returns s in ASCII, with "?" for each other character.
func narrow(s string) string {
	if isASCII(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r >= 0x80 {
			return '?'
		}
		return r
	}, s)
}
