package message

import (
	"mime"
	"strings"
	"unicode/utf8"
)

// textWidth is the width of the part that people read, in characters.
const textWidth = 72

// maxTextRecipients is how many recipients that part tells of; the next part tells of all.
const maxTextRecipients = 50

// textPart writes the part that people read: what happened, to whom, what the other side said, what
// happens next.
func (r *Report) textPart(wide bool) reportPart {
	p := reportPart{contentType: "text/plain; charset=us-ascii", description: "Notification", encoding: "7bit"}
	b := appendWrapped(nil, "", "This is the mail server at "+string(appendWord(nil, r.Hostname))+".")
	b = append(b, "\r\n"...)
	b = appendWrapped(b, "", r.summary())
	b = append(b, "\r\n"...)
	if subject := r.originalSubject(); subject != "" {
		b = appendWrapped(b, "    ", "Subject: "+subject)
	}
	if at := r.Envelope.ArrivedAt; !at.IsZero() {
		b = append(b, "    Taken in: "...)
		b = append(AppendDate(b, at), "\r\n"...)
	}
	for i := range r.Recipients[:min(len(r.Recipients), maxTextRecipients)] {
		b = append(b, "\r\n"...)
		b = r.appendStory(b, &r.Recipients[i])
	}
	if len(r.Recipients) > maxTextRecipients {
		b = append(b, "\r\n"...)
		b = appendWrapped(b, "", "More addresses are listed in the delivery report below.")
	}
	b = append(b, "\r\n"...)
	b = appendWrapped(b, "", "What follows is for mail programs and postmasters: the delivery report, "+
		"and your message or its header.")
	p.body = b
	if Has8Bit(b) {
		p.contentType = "text/plain; charset=utf-8"
		p.encoding = "8bit"
		if !wide {
			p.encoding, p.body = "quoted-printable", quotedPrintable(b)
		}
	}
	return p
}

// summary says what happened and what will happen next.
func (r *Report) summary() string {
	below := "the address below"
	if len(r.Recipients) != 1 {
		below = "the addresses below"
	}
	switch r.Kind {
	case ReportDelay:
		return "Your message has not been delivered yet to " + below + ". You need not do anything: " +
			"this server goes on trying, and will write again if it has to give up. " +
			"Please do not send the message a second time."
	case ReportSuccess:
		return "You asked to be told: your message has left this server for " + below + "."
	default:
		return "Your message could not be delivered to " + below + ". This server has given up and " +
			"will not try again. If the message still matters, please send it again when the cause is gone."
	}
}

// appendStory tells of one recipient.
func (r *Report) appendStory(b []byte, to *ReportRecipient) []byte {
	const indent = "    "
	b = append(b, '<')
	b = appendPath(b, to.Recipient.Address)
	b = append(b, ">\r\n"...)
	if o := to.Recipient.Original; o != "" && o != to.Recipient.Address {
		b = appendWrapped(b, indent, "You wrote to: "+CleanLine(o, maxOriginal))
	}
	b = appendWrapped(b, indent, r.cause(to))
	if !to.WillRetryUntil.IsZero() && r.Kind == ReportDelay {
		b = append(append(b, indent...), "It is tried until "...)
		b = append(AppendDate(b, to.WillRetryUntil), ".\r\n"...)
	}
	if to.Status.Code == 0 || r.Kind == ReportSuccess && !to.Status.Remote {
		return b
	}
	said := "This server's finding:"
	if to.Status.Remote {
		said = "The receiving server answered:"
		if to.RemoteMTA != "" {
			said = string(appendWord(nil, to.RemoteMTA)) + " answered:"
		}
	}
	b = appendWrapped(b, indent, said)
	status := to.Status
	status.Text = CleanText(status.Text, StatusTextLimit)
	for line := range strings.SplitSeq(status.String(), "\n") {
		b = appendWrapped(b, indent+indent, line)
	}
	return b
}

// cause says in plain words why.
func (r *Report) cause(to *ReportRecipient) string {
	switch {
	case r.Kind == ReportSuccess && r.action(to) == "delivered":
		return "The message was put into the mailbox."
	case r.Kind == ReportSuccess && r.action(to) == "expanded":
		return "The address stands for several others. The message goes to all of them; of each no news will come."
	case r.Kind == ReportSuccess:
		return "The message was handed on to a server that does not report back. " +
			"It took the message, but no further news will come."
	}
	cause := to.Cause
	if cause == "" {
		cause = explain(r.status(to))
	}
	if r.Kind == ReportFailure && to.Status.Temporary() {
		cause = "It was tried again and again until the time allowed was up. " + cause
	}
	if r.Kind == ReportFailure && to.Mend {
		cause += " The address is not the reason: the same message, sent again in the same way, would be refused again."
	}
	return cause
}

// originalSubject returns the original's subject, decoded, as one short line; "" if there is none.
func (r *Report) originalSubject() string {
	const limit = 200
	v, _ := FindField(r.Content, "Subject")
	raw := strings.Join(strings.Fields(string(v[:min(len(v), 998)])), " ")
	decoded, err := new(mime.WordDecoder).DecodeHeader(raw)
	if err != nil {
		decoded = raw // an unknown charset: better as it stands than not at all
	}
	return CleanLine(decoded, limit)
}

// appendWrapped writes text, which has no control characters, as lines behind the indent.
func appendWrapped(b []byte, indent, text string) []byte {
	width := 0
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		if width > 0 && len(indent)+width+1+n > textWidth {
			b = append(b, "\r\n"...)
			width = 0
		}
		if width == 0 {
			b = append(b, indent...)
		} else {
			b = append(b, ' ')
			width++
		}
		b = append(b, word...)
		width += n
	}
	if width > 0 {
		b = append(b, "\r\n"...)
	}
	return b
}
