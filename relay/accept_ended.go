package relay

import (
	"context"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
)

// putEnded is put for a message that is held, or some of whose recipients end as it is accepted: accepting it, and all
// that becomes of it at once, are one write, and the lines of the event log that tell of it are in that.
func (m *incoming) putEnded(took time.Duration) error {
	s := m.session
	s.suppressed = distinctSuppressed(s.suppressed)
	events := append(make([]Event, 0, 1+len(s.suppressed)+len(m.dropped)), m.acceptedEvent(took))
	ended := queue.Ended{Held: m.held}
	for i := range s.suppressed {
		to := &s.suppressed[i]
		events = append(events, m.atOnce(EventSuppressed, &to.Recipient, suppressedStatus(&to.entry)))
		ended.Results[message.Suppressed]++
	}
	for i := range m.dropped {
		events = append(events, m.atOnce(EventDropped, &m.dropped[i],
			localStatus(550, message.EnhancedCode{5, 7, 1}, "Discarded by "+m.droppedBy)))
		ended.Results[message.Dropped]++
	}
	if m.held {
		for i := range m.recipients {
			events = append(events, m.atOnce(EventHeld, &m.recipients[i], message.Status{Text: m.reason}))
		}
	}
	return m.relay.journal.accept(events, func(note []byte) (queue.NoteID, error) {
		ended.Note = note
		return m.relay.queue.PutEnded(context.Background(), m.envelope, m.recipients, m.content, ended)
	})
}

// atOnce tells what became of a recipient as the message was accepted.
func (m *incoming) atOnce(t EventType, to *message.Recipient, status message.Status) Event {
	env := m.envelope
	return Event{
		Type: t, ID: env.ID, Sender: env.Sender, Recipient: to.Address, Domain: to.Domain,
		Tenant: env.Tenant, Class: env.Class, Size: env.Size, Status: status,
		Timestamp: time.Now(), Created: env.ArrivedAt,
		Reception: env.Origin.Protocol, SessionID: env.Origin.SessionID, MessageID: env.MessageID,
		Listener: env.Origin.Listener, AuthName: env.Origin.AuthName,
	}
}
