package admin

import (
	"context"
	"iter"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
)

// QueueItem is one line of `queue list --json`: recipients of one message that wait for the same
// thing. The first members are those of Postfix's `postqueue -j`. A message with recipients at several
// domains has an item for each.
type QueueItem struct {
	QueueName    string          `json:"queue_name"` // active, deferred or hold
	QueueID      string          `json:"queue_id"`
	ArrivalTime  int64           `json:"arrival_time"` // Unix seconds
	MessageSize  int64           `json:"message_size"`
	ForcedExpire bool            `json:"forced_expire"`
	Sender       string          `json:"sender"` // MAILER-DAEMON for the null sender
	Recipients   []ItemRecipient `json:"recipients"`

	Queue    string    `json:"queue"` // the destination domain
	State    string    `json:"state"` // ready, waiting, held or delivering
	Attempts int       `json:"num_attempts"`
	NextDue  time.Time `json:"next_due"`
	Tenant   string    `json:"tenant,omitempty"`
	Class    string    `json:"class"`
}

// ItemRecipient is one recipient of an item.
type ItemRecipient struct {
	Address     string `json:"address"`
	DelayReason string `json:"delay_reason,omitempty"`
}

// maxItemRecipients bounds an item: a message with more is told in several.
const maxItemRecipients = 500

// stateNames are ours and Postfix's names of a state.
var stateNames = map[queue.State]struct{ ours, postfix string }{
	queue.Active:   {"ready", "active"},
	queue.Waiting:  {"waiting", "deferred"},
	queue.OnHold:   {"held", "hold"},
	queue.InFlight: {"delivering", "active"},
}

// nullSender is what Postfix shows for the null reverse-path.
const nullSender = "MAILER-DAEMON"

// items joins entries that follow one another and belong together.
func items(ctx context.Context, entries iter.Seq2[queue.Entry, error]) iter.Seq2[*QueueItem, error] {
	return func(yield func(*QueueItem, error) bool) {
		var item *QueueItem
		var last queue.Entry
		for e, err := range entries {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				if item == nil || yield(item, nil) {
					yield(nil, err)
				}
				return
			}
			if item != nil && (!together(&last, &e) || len(item.Recipients) >= maxItemRecipients) {
				if !yield(item, nil) {
					return
				}
				item = nil
			}
			if item == nil {
				item = newItem(&e)
			}
			item.add(&e)
			last = e
		}
		if item != nil {
			yield(item, nil)
		}
	}
}

func together(a, b *queue.Entry) bool {
	return a.ID == b.ID && a.Domain == b.Domain && a.State == b.State && a.Attempts == b.Attempts && a.Due.Equal(b.Due)
}

func newItem(e *queue.Entry) *QueueItem {
	item := &QueueItem{
		QueueName: stateNames[e.State].postfix, QueueID: e.ID.String(), ArrivalTime: e.Arrived.Unix(),
		MessageSize: e.Size, Sender: e.Sender,
		Queue: e.Domain, State: stateNames[e.State].ours, Attempts: e.Attempts, NextDue: e.Due.UTC(),
		Tenant: e.Tenant, Class: e.Class.String(),
	}
	if item.Sender == "" {
		item.Sender = nullSender
	}
	return item
}

func (item *QueueItem) add(e *queue.Entry) {
	r := ItemRecipient{Address: e.Recipient.Address}
	if last := e.Recipient.Last; last != (message.Status{}) {
		r.DelayReason = last.String()
	}
	item.Recipients = append(item.Recipients, r)
}
