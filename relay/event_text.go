package relay

import (
	"strconv"
	"strings"
	"time"
)

// textLines writes events for people: one line each, what happened first, then to whom, then in
// whose words.
type textLines struct {
	color    bool
	location *time.Location
}

func (t *textLines) append(b []byte, e *Event) []byte {
	b = e.Timestamp.In(t.location).AppendFormat(b, "15:04:05.000 ")
	b = t.appendType(b, e.Type)
	if e.ID != 0 {
		b = append(appendID(b, e.ID), ' ')
	}
	switch e.Type {
	case EventAccepted:
		b = appendTextAccepted(b, e)
	case EventRejected:
		b = appendTextRejected(b, e)
	case EventDelivered, EventCaptured:
		b = appendTextDelivered(b, e)
	case EventDeferred:
		b = appendTextFailed(b, e)
		b = strconv.AppendInt(append(b, ", attempt "...), int64(e.Attempts), 10)
		if !e.NextDue.IsZero() {
			b = append(append(b, ", next try in "...), shortSpan(e.NextDue.Sub(e.Timestamp))...)
		}
	case EventBounced, EventSuppressed:
		b = appendTextFailed(b, e)
	case EventExpired:
		b = appendTextFailed(b, e)
		b = appendAttempts(append(b, ", "...), e.Attempts)
		b = append(append(b, " in "...), shortSpan(e.Timestamp.Sub(e.Created))...)
	case EventReport, EventComplained:
		b = append(appendID(append(b, "about "...), e.Relates), " to "...)
		b = appendAddress(b, e.Recipient)
	default:
		b = appendAddress(b, e.Recipient)
		if e.Status.Text != "" {
			b = appendReply(append(b, ": "...), e.Status)
		}
	}
	return append(b, '\n')
}

// appendType appends the type, padded so that what follows stands in a column.
func (t *textLines) appendType(b []byte, et EventType) []byte {
	if t.color {
		b = append(b, eventColor(et)...)
	}
	b = append(b, et.String()...)
	if t.color {
		b = append(b, "\x1b[0m"...)
	}
	const widest = len("suppressed")
	for n := len(et.String()); n <= widest; n++ {
		b = append(b, ' ')
	}
	return b
}

// eventColor is the terminal's sequence for a type: green for good, yellow for not yet, red for
// failed, cyan for the rest.
func eventColor(t EventType) string {
	switch t {
	case EventDelivered, EventCaptured:
		return "\x1b[32m"
	case EventDeferred, EventHeld:
		return "\x1b[33m"
	case EventBounced, EventExpired, EventRejected, EventDropped, EventSuppressed, EventComplained:
		return "\x1b[31m"
	}
	return "\x1b[36m"
}

func appendTextAccepted(b []byte, e *Event) []byte {
	b = append(appendAddress(b, e.Sender), " -> "...)
	b = appendAddress(b, e.Recipient)
	if e.Recipients > 1 {
		b = append(b, " and "...)
		b = strconv.AppendInt(b, int64(e.Recipients-1), 10)
		b = append(b, " more"...)
	}
	b = appendByteSize(append(b, ", "...), e.Size)
	if e.PeerAddr.IsValid() {
		b = e.PeerAddr.Addr().AppendTo(append(b, ", from "...))
	}
	if e.AuthName != "" {
		b = appendPrintable(append(b, ", login "...), e.AuthName, maxEventName)
	}
	return b
}

func appendTextRejected(b []byte, e *Event) []byte {
	b = append(appendAddress(b, e.Sender), " -> "...)
	b = appendAddress(b, e.Recipient)
	if e.PeerAddr.IsValid() {
		b = e.PeerAddr.Addr().AppendTo(append(b, ", from "...))
	}
	return appendReply(append(b, ": "...), e.Status)
}

func appendTextDelivered(b []byte, e *Event) []byte {
	b = append(appendAddress(b, e.Recipient), " by "...)
	b = appendPrintable(b, orElse(e.PeerName, "unknown"), maxEventName)
	b = append(append(b, " in "...), shortSpan(e.Delays.Total())...)
	return appendReply(append(b, ": "...), e.Status)
}

func appendTextFailed(b []byte, e *Event) []byte {
	b = append(appendAddress(b, e.Recipient), ": "...)
	if !e.Status.Remote {
		return appendReply(b, e.Status)
	}
	b = appendPrintable(b, orElse(e.PeerName, "the host"), maxEventName)
	b = appendReply(append(b, ` said "`...), e.Status)
	b = append(b, '"')
	if e.Command != "" {
		b = appendPrintable(append(b, " to "...), e.Command, maxEventName)
	}
	return b
}

func appendAttempts(b []byte, n int) []byte {
	b = strconv.AppendInt(b, int64(n), 10)
	if n == 1 {
		return append(b, " attempt"...)
	}
	return append(b, " attempts"...)
}

func appendAddress(b []byte, addr string) []byte {
	if addr == "" {
		return append(b, "<>"...)
	}
	return appendPrintable(b, addr, maxEventAddress)
}

func appendByteSize(b []byte, n int64) []byte {
	switch {
	case n < 1<<10:
		return append(strconv.AppendInt(b, n, 10), " B"...)
	case n < 1<<20:
		return append(strconv.AppendFloat(b, float64(n)/(1<<10), 'f', 1, 64), " KiB"...)
	}
	return append(strconv.AppendFloat(b, float64(n)/(1<<20), 'f', 1, 64), " MiB"...)
}

// shortSpan prints a span with the precision people want: 3ms, 1.2s, 5m, 4h30m.
func shortSpan(d time.Duration) string {
	switch {
	case d < 0:
		d = 0
	case d < 10*time.Millisecond:
		d = d.Round(100 * time.Microsecond)
	case d < time.Second:
		d = d.Round(time.Millisecond)
	case d < time.Minute:
		d = d.Round(100 * time.Millisecond)
	default:
		d = d.Round(time.Second)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
