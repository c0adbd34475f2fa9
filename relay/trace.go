package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/resolver"
)

// ErrNoTrace is returned for a message that the event log does not know.
var ErrNoTrace = errors.New("the event log has nothing about this message; it may be older than the oldest log file")

// traceSlack is how much later than its ID's time a message's first event may claim to be earlier:
// IDs never go back, clocks do.
const traceSlack = time.Hour

// Trace writes the life of a message as the event log at path (FormatJSON) tells it, step by step
// with the time since its acceptance. It writes as it reads, so a message with very many
// recipients needs no memory. The output is for people and not to be parsed.
func Trace(ctx context.Context, w io.Writer, path string, id message.ID) error {
	t := tracer{id: id, last: make(map[string]traceState)}
	opt := ReadOptions{Since: id.Time().Add(-traceSlack), Contains: id.String()}
	for event, err := range ReadEvents(ctx, path, opt) {
		var bad *BadLineError
		switch {
		case errors.As(err, &bad):
			t.buf = fmt.Appendf(t.buf, "  (a damaged line was passed over: %v)\n", bad)
		case err != nil:
			return err
		case event.ID == id || event.Relates == id:
			t.add(&event)
		}
		if err := t.writeTo(w); err != nil {
			return err
		}
	}
	if !t.seen {
		return ErrNoTrace
	}
	t.addSummary()
	return t.writeTo(w)
}

// maxTraceRecipients bounds the recipients whose last state is remembered for the summary.
const maxTraceRecipients = 10_000

// tracer turns the events of one message into text.
type tracer struct {
	id    message.ID
	buf   []byte
	seen  bool
	start time.Time // acceptance; the zero of all offsets

	recipients int                   // of the accepted event
	last       map[string]traceState // by recipient
	more       bool                  // there were more recipients than last may hold
	shown      shownAttempt
}

// traceState is the newest state of a recipient.
type traceState struct {
	event   EventType
	nextDue time.Time
}

// shownAttempt tells the attempt whose steps were printed last: the events of all its recipients
// carry the same steps.
type shownAttempt struct {
	start time.Time
	queue string
	count int
}

func (t *tracer) writeTo(w io.Writer) error {
	if len(t.buf) == 0 {
		return nil
	}
	_, err := w.Write(t.buf)
	t.buf = t.buf[:0]
	return err
}

func (t *tracer) add(e *Event) {
	if !t.seen {
		t.addHead(e)
	}
	switch {
	case e.Relates == t.id:
		t.line(e.Timestamp, e.Type.String())
		t.buf = append(appendID(append(t.buf, "message "...), e.ID), " to "...)
		t.buf = append(appendAddress(t.buf, e.Recipient), '\n')
		return
	case e.Type == EventAccepted:
		t.addAccepted(e)
		return
	case e.Type == EventReport: // this message is the report
		t.recipients = max(e.Recipients, 1)
		t.addSigned(e)
		t.line(e.Timestamp, "queued")
		t.buf = append(appendID(append(t.buf, "as the report about message "...), e.Relates), '\n')
		return
	}
	if e.Detail != nil {
		t.addAttempt(e)
	}
	t.addOutcome(e)
	t.remember(e)
}

func (t *tracer) addHead(e *Event) {
	t.seen, t.start = true, e.Created
	if t.start.IsZero() {
		t.start = e.Timestamp
	}
	t.buf = append(appendID(append(t.buf, "message "...), t.id), '\n')
	t.member("from", string(appendAddress(nil, e.Sender)))
	t.member("message-id", e.MessageID)
	t.member("size", string(appendByteSize(nil, e.Size)))
	t.member("tenant", e.Tenant)
	t.member("class", e.Class.String())
	t.member("accepted", string(appendStamp(nil, t.start)))
	t.buf = append(t.buf, '\n')
}

func (t *tracer) member(name, value string) {
	if value == "" {
		return
	}
	t.buf = fmt.Appendf(t.buf, "  %-11s ", name)
	t.buf = append(appendPrintable(t.buf, value, maxEventAddress), '\n')
}

// line begins a line: the offset from acceptance, then what happened, in columns.
func (t *tracer) line(at time.Time, what string) {
	t.buf = fmt.Appendf(t.buf, "%12s  %-11s ", offset(at.Sub(t.start)), what)
}

// step begins a line within an attempt.
func (t *tracer) step(at time.Time, what string) {
	t.buf = fmt.Appendf(t.buf, "%12s    %-9s ", offset(at.Sub(t.start)), what)
}

func (t *tracer) addAccepted(e *Event) {
	t.recipients = max(e.Recipients, 1)
	t.line(e.Timestamp, "accepted")
	b := append(t.buf, "from "...)
	b = appendPostfixClient(b, e)
	if e.HELO != "" {
		b = appendAngled(append(b, " helo="...), e.HELO)
	}
	if e.Reception != "" {
		b = appendPrintable(append(b, " with "...), e.Reception, maxEventName)
	}
	b = appendTLS(b, e)
	if e.AuthName != "" {
		b = appendPrintable(append(b, ", login "...), e.AuthName, maxEventName)
	}
	if e.Listener != "" {
		b = appendPrintable(append(b, ", listener "...), e.Listener, maxEventName)
	}
	if e.SessionID != "" {
		b = appendPrintable(append(b, ", session "...), e.SessionID, maxEventName)
	}
	if e.Delays.BeforeQueue > 0 {
		b = append(append(b, ", received in "...), shortSpan(e.Delays.BeforeQueue)...)
	}
	t.buf = append(b, '\n')
	if e.Checks != "" {
		t.line(e.Timestamp, "checked")
		t.buf = append(appendPrintable(t.buf, e.Checks, maxEventText), '\n')
	}
	t.addSigned(e)
	t.line(e.Timestamp, "queued")
	b = append(t.buf, "on stable storage for "...)
	b = appendAddress(b, e.Recipient)
	if e.Recipients > 1 {
		b = append(strconv.AppendInt(append(b, " and "...), int64(e.Recipients-1), 10), " more"...)
	}
	t.buf = append(b, '\n')
}

// addSigned prints one line for each signature, or why there is none.
func (t *tracer) addSigned(e *Event) {
	if why, none := strings.CutPrefix(e.DKIM, "none: "); none {
		t.line(e.Timestamp, "unsigned")
		t.buf = append(appendPrintable(t.buf, why, maxEventText), '\n')
		return
	}
	for signature := range strings.SplitSeq(e.DKIM, "; ") {
		if signature != "" {
			t.line(e.Timestamp, "signed")
			t.buf = append(appendPrintable(t.buf, signature, maxEventText), '\n')
		}
	}
}

func appendTLS(b []byte, e *Event) []byte {
	if e.TLSVersion == "" {
		return b
	}
	b = appendPrintable(append(b, ", "...), e.TLSVersion, maxEventName)
	return appendPrintable(append(b, ' '), e.TLSCipher, maxEventName)
}

// addAttempt prints an attempt's steps, once for all its recipients.
func (t *tracer) addAttempt(e *Event) {
	d := e.Detail
	this := shownAttempt{d.Start, e.Domain, e.Attempts}
	if this == t.shown {
		return
	}
	t.shown = this
	t.line(d.Start, "attempt "+strconv.Itoa(e.Attempts))
	b := appendPrintable(append(t.buf, "for "...), e.Domain, maxEventName)
	if e.Source != "" {
		b = appendPrintable(append(b, " from source "...), e.Source, maxEventName)
	}
	t.buf = append(b, '\n')
	t.addRoute(d)
	if d.Reused {
		t.step(d.Start.Add(d.Route.Took), "connect")
		t.buf = append(appendPrintable(append(t.buf, "open connection used again: "...), e.PeerName, maxEventName), '\n')
	}
	for _, s := range d.Steps {
		t.step(d.Start.Add(s.At), s.Phase)
		b := t.buf
		if s.Host != "" {
			b = append(appendPrintable(b, s.Host, maxEventName), ' ')
		}
		b = appendReply(b, s.Status)
		if s.Phase == "tls" && s.Status == (message.Status{}) { // the event tells what was agreed on
			b = appendPrintable(append(appendPrintable(b, e.TLSVersion, maxEventName), ' '), e.TLSCipher, maxEventName)
		}
		t.buf = append(trimSpace(b), '\n')
	}
}

func (t *tracer) addRoute(d *Detail) {
	if d.Route.Kind == "" {
		return
	}
	t.step(d.Start.Add(d.Route.Took), "route")
	b := appendPrintable(t.buf, d.Route.Kind, maxEventName)
	switch {
	case d.Route.Kind == resolver.KindLocal.String():
	case d.Route.Stale:
		b = append(b, " (expired answer from the cache: the servers do not answer)"...)
	case d.Route.Cached:
		b = append(b, " (cached)"...)
	case d.Route.Took > 0:
		b = append(append(append(b, " (asked, "...), shortSpan(d.Route.Took)...), ')')
	default:
		b = append(b, " (asked)"...)
	}
	for i, h := range d.Route.Hosts {
		if i == 0 {
			b = append(b, ": "...)
		} else {
			b = append(b, ", "...)
		}
		b = appendPrintable(b, h, maxEventName)
	}
	t.buf = append(b, '\n')
}

// addOutcome prints the state that an event left a recipient in.
func (t *tracer) addOutcome(e *Event) {
	t.line(e.Timestamp, e.Type.String())
	b := appendAddress(t.buf, e.Recipient)
	switch e.Type {
	case EventDelivered, EventCaptured, EventDeferred, EventBounced, EventExpired, EventSuppressed:
		if e.PeerName != "" {
			b = appendPrintable(append(b, " by "...), e.PeerName, maxEventName)
		}
		if e.Detail == nil || e.Detail.Reused { // else the steps tell
			b = appendTLS(b, e)
		}
	}
	if e.Status.Code != 0 || e.Status.Text != "" {
		b = appendReply(append(b, ": "...), e.Status)
	}
	if e.Command != "" && e.Type != EventDelivered {
		b = append(appendPrintable(append(b, " (in reply to "...), e.Command, maxEventName), ')')
	}
	if e.Type == EventDeferred && !e.NextDue.IsZero() {
		b = append(append(b, "; next try in "...), shortSpan(e.NextDue.Sub(e.Timestamp))...)
		b = appendStamp(append(b, " at "...), e.NextDue)
	}
	t.buf = append(b, '\n')
}

func (t *tracer) remember(e *Event) {
	if _, known := t.last[e.Recipient]; !known && len(t.last) >= maxTraceRecipients {
		t.more = true
		return
	}
	t.last[e.Recipient] = traceState{e.Type, e.NextDue}
}

// addSummary says how many recipients have which end, and how many are still queued.
func (t *tracer) addSummary() {
	t.buf = append(t.buf, '\n')
	if t.more {
		t.buf = fmt.Appendf(t.buf, "more than %d recipients: ask `posthaste queue list --id` what is still queued\n", maxTraceRecipients)
		return
	}
	var ends [NumEventTypes]int
	ended := 0
	var nextDue time.Time
	for _, state := range t.last {
		if state.event.Ends() {
			ends[state.event]++
			ended++
		} else if due := state.nextDue; !due.IsZero() && (nextDue.IsZero() || due.Before(nextDue)) {
			nextDue = due
		}
	}
	all := max(t.recipients, len(t.last))
	for typ, n := range ends {
		if n > 0 {
			t.buf = fmt.Appendf(t.buf, "%d of %d %s\n", n, all, EventType(typ))
		}
	}
	if ended == all {
		return
	}
	t.buf = fmt.Appendf(t.buf, "%d of %d still queued", all-ended, all)
	if !nextDue.IsZero() {
		t.buf = appendStamp(append(t.buf, ", next try at "...), nextDue)
	}
	t.buf = append(t.buf, '\n')
}

// offset prints the time since acceptance, precise enough to tell the steps of a late attempt apart.
func offset(d time.Duration) string {
	if d < 10*time.Millisecond {
		return "+" + shortSpan(d)
	}
	return "+" + d.Round(time.Millisecond).String()
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return b
}
