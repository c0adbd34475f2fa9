package relay

import (
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// postfixLines writes events as the lines that Postfix's programs would have logged, for tools
// that read those (pflogsumm, fail2ban, collectors). Of the time stamp it keeps syslog's form.
type postfixLines struct {
	hostname string
	pid      int
	location *time.Location
}

func (p *postfixLines) append(b []byte, e *Event) []byte {
	switch e.Type {
	case EventAccepted:
		return p.appendAccepted(b, e)
	case EventRejected:
		return p.appendRejected(b, e)
	case EventReport:
		return p.appendReport(b, e)
	case EventDropped:
		return append(p.appendHead(b, e, "postsuper", e.ID), "removed\n"...)
	case EventHeld:
		return append(p.appendHead(b, e, "postsuper", e.ID), "placed on hold\n"...)
	case EventReleased:
		return append(p.appendHead(b, e, "postsuper", e.ID), "released from hold\n"...)
	case EventComplained:
		b = append(p.appendHead(b, e, "cleanup", e.ID), "warning: complaint about "...)
		return append(appendID(b, e.Relates), '\n')
	}
	b = p.appendAttempt(b, e)
	if e.Type == EventExpired {
		b = append(p.appendHead(b, e, "qmgr", e.ID), "from="...)
		b = append(appendAngled(b, e.Sender), ", status=expired, returned to sender\n"...)
	}
	if e.Removed {
		b = append(p.appendHead(b, e, "qmgr", e.ID), "removed\n"...)
	}
	return b
}

// appendHead appends "Jan  2 15:04:05 host postfix/program[pid]: ID: ".
func (p *postfixLines) appendHead(b []byte, e *Event, program string, id message.ID) []byte {
	b = p.appendStampAndHost(b, e.Timestamp)
	b = append(b, "postfix/"...)
	b = append(b, program...)
	b = append(b, '[')
	b = strconv.AppendInt(b, int64(p.pid), 10)
	b = append(b, "]: "...)
	if id == 0 {
		return append(b, "NOQUEUE: "...)
	}
	return append(appendID(b, id), ": "...)
}

func (p *postfixLines) appendStampAndHost(b []byte, t time.Time) []byte {
	b = t.In(p.location).AppendFormat(b, "Jan _2 15:04:05 ")
	return append(append(b, p.hostname...), ' ')
}

func (p *postfixLines) appendAccepted(b []byte, e *Event) []byte {
	b = append(p.appendHead(b, e, "smtpd", e.ID), "client="...)
	b = appendPostfixClient(b, e)
	if e.AuthName != "" {
		b = appendPrintable(append(b, ", sasl_username="...), e.AuthName, maxEventName)
	}
	return p.appendQueued(append(b, '\n'), e)
}

// appendQueued appends what cleanup and qmgr say of every new message.
func (p *postfixLines) appendQueued(b []byte, e *Event) []byte {
	b = append(p.appendHead(b, e, "cleanup", e.ID), "message-id="...)
	b = append(appendAngled(b, e.MessageID), '\n')
	b = append(p.appendHead(b, e, "qmgr", e.ID), "from="...)
	b = append(appendAngled(b, e.Sender), ", size="...)
	b = strconv.AppendInt(b, e.Size, 10)
	b = append(b, ", nrcpt="...)
	b = strconv.AppendInt(b, int64(max(e.Recipients, 1)), 10)
	return append(b, " (queue active)\n"...)
}

func (p *postfixLines) appendRejected(b []byte, e *Event) []byte {
	b = append(p.appendHead(b, e, "smtpd", e.ID), "reject: "...)
	b = append(b, rejectedStage(e.Command)...)
	b = append(b, " from "...)
	b = append(appendPostfixClient(b, e), ": "...)
	b = append(appendReply(b, e.Status), "; from="...)
	b = append(appendAngled(b, e.Sender), " to="...)
	b = append(appendAngled(b, e.Recipient), " proto="...)
	b = append(appendPrintable(b, orElse(e.Reception, "SMTP"), maxEventName), " helo="...)
	return append(appendAngled(b, e.HELO), '\n')
}

// rejectedStage is Postfix's name of the point in the session where it refused.
func rejectedStage(command string) string {
	switch command {
	case "", "connect":
		return "CONNECT"
	case "MAIL FROM":
		return "MAIL"
	case "RCPT TO":
		return "RCPT"
	case "end of DATA":
		return "END-OF-MESSAGE"
	}
	return command
}

func (p *postfixLines) appendReport(b []byte, e *Event) []byte {
	b = append(p.appendHead(b, e, "bounce", e.Relates), "sender non-delivery notification: "...)
	b = append(appendID(b, e.ID), '\n')
	return p.appendQueued(b, e)
}

// appendAttempt appends the line about one recipient in one attempt.
func (p *postfixLines) appendAttempt(b []byte, e *Event) []byte {
	b = append(p.appendHead(b, e, postfixAgent(e), e.ID), "to="...)
	b = append(appendAngled(b, e.Recipient), ", relay="...)
	b = append(appendPostfixRelay(b, e), ", delay="...)
	b = append(appendPostfixDelay(b, e.Delays.Total()), ", delays="...)
	b = append(appendPostfixDelay(b, e.Delays.BeforeQueue), '/')
	b = append(appendPostfixDelay(b, e.Delays.InQueue), '/')
	b = append(appendPostfixDelay(b, e.Delays.Connect), '/')
	b = append(appendPostfixDelay(b, e.Delays.Transmission), ", dsn="...)
	b = append(b, e.Status.WithEnhanced().String()...)
	b = append(b, ", status="...)
	switch e.Type {
	case EventDelivered, EventCaptured:
		b = append(appendReply(append(b, "sent ("...), e.Status), ')')
	case EventBounced, EventSuppressed:
		b = append(appendSaid(append(b, "bounced ("...), e), ')')
	default: // an expired recipient was deferred for the last time; qmgr's line follows
		b = append(appendSaid(append(b, "deferred ("...), e), ')')
	}
	return append(b, '\n')
}

// postfixAgent is Postfix's program for such a delivery.
func postfixAgent(e *Event) string {
	switch {
	case e.Protocol == "local":
		return "local"
	case strings.HasPrefix(e.Protocol, "LMTP"):
		return "lmtp"
	}
	return "smtp"
}

// appendSaid appends the reason: "host mx[ip] said: 451 ... (in reply to RCPT TO command)", or our
// own words.
func appendSaid(b []byte, e *Event) []byte {
	if !e.Status.Remote {
		return appendPrintable(b, e.Status.Text, maxEventText)
	}
	b = append(b, "host "...)
	b = appendPrintable(b, orElse(e.PeerName, "unknown"), maxEventName)
	if e.PeerAddr.IsValid() {
		b = append(b, '[')
		b = append(e.PeerAddr.Addr().AppendTo(b), ']')
	}
	b = append(b, " said: "...)
	b = appendReply(b, e.Status)
	if e.Command == "" {
		return b
	}
	b = append(b, " (in reply to "...)
	b = appendPrintable(b, e.Command, maxEventName)
	return append(b, " command)"...)
}

// appendReply appends the reply as it stood on the wire, in one line.
func appendReply(b []byte, s message.Status) []byte {
	if s.Code != 0 {
		b = append(strconv.AppendInt(b, int64(s.Code), 10), ' ')
	}
	if s.Enhanced != (message.EnhancedCode{}) {
		b = append(append(b, s.Enhanced.String()...), ' ')
	}
	return appendPrintable(b, s.Text, maxEventText)
}

// appendAngled appends an address in angle brackets. Brackets within it, which a quoted local
// part may hold, become question marks: else a sender could write the rest of the line.
func appendAngled(b []byte, addr string) []byte {
	b = append(b, '<')
	start := len(b)
	b = appendPrintable(b, addr, maxEventAddress)
	for i := start; i < len(b); i++ {
		if b[i] == '<' || b[i] == '>' {
			b[i] = '?'
		}
	}
	return append(b, '>')
}

func appendPostfixClient(b []byte, e *Event) []byte {
	b = appendPrintable(b, orElse(e.PeerName, "unknown"), maxEventName)
	b = append(b, '[')
	if e.PeerAddr.IsValid() {
		b = e.PeerAddr.Addr().AppendTo(b)
	} else {
		b = append(b, "unknown"...)
	}
	return append(b, ']')
}

func appendPostfixRelay(b []byte, e *Event) []byte {
	switch {
	case e.Protocol == "local":
		return append(b, "local"...)
	case !e.PeerAddr.IsValid() && strings.HasPrefix(e.Protocol, "LMTP"): // a Unix socket
		b = append(appendPrintable(b, e.PeerName, maxEventName), '[')
		return append(appendPrintable(b, e.PeerName, maxEventName), ']')
	case !e.PeerAddr.IsValid():
		return append(b, "none"...)
	}
	b = append(appendPostfixClient(b, e), ':')
	return strconv.AppendUint(b, uint64(e.PeerAddr.Port()), 10)
}

// appendPostfixDelay appends seconds with two significant digits and at most two decimals, as
// Postfix does: 0.05, 1.2, 34.
func appendPostfixDelay(b []byte, d time.Duration) []byte {
	decimals := 2
	switch {
	case d >= 10*time.Second:
		decimals = 0
	case d >= time.Second:
		decimals = 1
	}
	b = strconv.AppendFloat(b, max(d, 0).Seconds(), 'f', decimals, 64)
	if decimals == 0 {
		return b
	}
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	if b[len(b)-1] == '.' {
		b = b[:len(b)-1]
	}
	return b
}

func appendID(b []byte, id message.ID) []byte {
	b, _ = id.AppendText(b)
	return b
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
