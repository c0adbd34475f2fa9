package admin

import (
	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
)

// Count tells how many recipients match a filter, by what they wait for.
type Count struct {
	// Messages counts a message once for each domain it still has recipients at, and once more for
	// every part of a very long recipient list: it is never too small.
	Messages   int64 `json:"messages"`
	Recipients int64 `json:"recipients"`
	Ready      int64 `json:"ready"`
	Waiting    int64 `json:"waiting"`
	Held       int64 `json:"held"`
	Delivering int64 `json:"delivering"`
}

func countOf(c queue.Counts) Count {
	r := c.Recipients
	return Count{
		Messages:   c.Groups,
		Recipients: r[queue.Active] + r[queue.Waiting] + r[queue.OnHold] + r[queue.InFlight],
		Ready:      r[queue.Active], Waiting: r[queue.Waiting],
		Held: r[queue.OnHold], Delivering: r[queue.InFlight],
	}
}

// ActResult tells what an act on the queue did: recipients that were changed, and those that were
// left alone because they were in delivery.
type ActResult struct {
	Recipients int64 `json:"recipients"`
	Skipped    int64 `json:"skipped"`
}

// Audit is the proof that accepted = ended + queued, in recipients.
type Audit struct {
	Accepted  int64 `json:"accepted"`
	Delivered int64 `json:"delivered"`
	Bounced   int64 `json:"bounced"`
	Expired   int64 `json:"expired"`
	Dropped   int64 `json:"dropped"`
	// Captured are of logins whose mail must not leave, Suppressed recipients that want no mail.
	Captured   int64 `json:"captured"`
	Suppressed int64 `json:"suppressed"`
	Damaged    int64 `json:"damaged"` // put aside because their record cannot be read
	Queued     int64 `json:"queued"`  // counted one by one
	Held       int64 `json:"held"`    // of those queued
	// Missing is accepted minus everything else: 0, or mail was lost (positive) or invented.
	Missing int64 `json:"missing"`
	// DamagedParts is how many parts of the disk could not be read: what is in them is missing.
	DamagedParts int `json:"damaged_parts,omitempty"`
}

func auditOf(a queue.Audit) Audit {
	return Audit{
		Accepted: a.Accepted, Delivered: a.Ended[message.Delivered], Bounced: a.Ended[message.Bounced],
		Expired: a.Ended[message.Expired], Dropped: a.Ended[message.Dropped],
		Captured: a.Ended[message.Captured], Suppressed: a.Ended[message.Suppressed],
		Damaged: a.Damaged, Queued: a.Queued, Held: a.Held,
		Missing: a.Unaccounted(), DamagedParts: a.DamagedParts,
	}
}
