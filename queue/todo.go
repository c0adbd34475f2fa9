package queue

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

var errTODO = errors.New("queue: not built yet")

// List yields the entries that match f, at most limit if that is above 0.
func (q *Queue) List(ctx context.Context, f Filter, limit int) iter.Seq2[Entry, error] { return nil }

// Count tells how many recipients match.
func (q *Queue) Count(ctx context.Context, f Filter) (Counts, error) { return Counts{}, errTODO }

// Retry makes what matches due now; Hold keeps it from delivery; Resume ends a hold; Drop ends it
// without a bounce.
func (q *Queue) Retry(ctx context.Context, f Filter) (Changed, error)  { return Changed{}, errTODO }
func (q *Queue) Hold(ctx context.Context, f Filter) (Changed, error)   { return Changed{}, errTODO }
func (q *Queue) Resume(ctx context.Context, f Filter) (Changed, error) { return Changed{}, errTODO }
func (q *Queue) Drop(ctx context.Context, f Filter) (Changed, error)   { return Changed{}, errTODO }

// LeaseMatching leases up to limit groups that match f whether they are due or held or not, for
// operators' acts such as a bounce.
func (q *Queue) LeaseMatching(ctx context.Context, f Filter, limit int) ([]*Lease, Changed, error) {
	return nil, Changed{}, errTODO
}

// Audit compares the durable counters with what is queued, on one snapshot.
func (q *Queue) Audit(ctx context.Context) (Audit, error) { return Audit{}, errTODO }

// Backup makes a copy of the whole queue in dir, which must not exist, while mail goes on.
func (q *Queue) Backup(dir string) error { return errTODO }

// Verify checks every record of the queue or backup in dir, which must not be open.
func Verify(ctx context.Context, dir string) (VerifyReport, error) { return VerifyReport{}, errTODO }

// Metrics tells how the queue is doing; it is cheap.
func (q *Queue) Metrics() Metrics { return Metrics{} }

// Filter selects entries; all fields given must match. The zero Filter matches everything.
type Filter struct {
	Domain    string   // exact
	Domains   []string // any of these (a site's)
	Sender    string   // exact, or "@domain" for all of a domain; "<>" for the null sender
	Recipient string   // exact, or "@domain"
	Tenant    string
	IDs       []message.ID
	Older     time.Duration // arrived longer ago than this
	Held      *bool
}

// State tells what an entry waits for.
type State uint8

const (
	Active   State = iota // due now
	Waiting               // due later
	OnHold                // until an operator resumes it
	InFlight              // leased
)

// Entry is one recipient in the queue.
type Entry struct {
	ID        message.ID
	Sender    string
	Size      int64
	Arrived   time.Time
	Tenant    string
	Class     message.Class
	Domain    string
	Recipient message.Recipient // with its newest outcome
	Attempts  int
	Due       time.Time
	State     State
}

// Counts are of recipients, by State.
type Counts struct {
	Recipients [4]int64
	Messages   int64
}

// Changed tells how many recipients an operator's act changed, and how many it left out because they
// were in delivery.
type Changed struct{ Recipients, Skipped int64 }

// Audit is the proof that accepted = ended + queued, in recipients.
type Audit struct {
	Accepted int64
	Ended    [message.NumResults]int64 // by result; Deferred stays 0
	Damaged  int64                     // put aside because of a damaged record
	Queued   int64                     // counted entry by entry
	Held     int64                     // of those, on hold
}

// VerifyReport is what Verify found.
type VerifyReport struct {
	Messages, Recipients, Records int64
	Problems                      []string // at most 100; ProblemCount has them all
	ProblemCount                  int64
}

// Metrics is a point-in-time view of the queue.
type Metrics struct{}
