// Package queue keeps mail until every recipient has an end, and lends out what is due.
//
// What Put and Settle have returned for is on stable storage. docs/storage.md says how.
package queue

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

var errTODO = errors.New("queue: not built yet")

// Queue is a durable queue of mail. Its methods may be called from many goroutines.
type Queue struct{}

// Open opens the queue in o.Dir, making it if there is none.
func Open(o Options) (*Queue, error) { return nil, errTODO }

// Close ends the queue. Calls that wait return ErrClosed; leases not settled are due at the next Open.
func (q *Queue) Close() error { return errTODO }

// Failed is closed when the store has failed; see ErrFailed.
func (q *Queue) Failed() <-chan struct{} { return nil }

// Err tells why the store failed; nil while it has not.
func (q *Queue) Err() error { return nil }

// Now tells the queue's time, which every due time is measured against. Ages and expiry must be
// computed with it too.
func (q *Queue) Now() time.Time { return time.Time{} }

// NewID returns an ID for use with Put, for callers that need it beforehand.
func (q *Queue) NewID() message.ID { return 0 }

// Put stores a message for all of rcpts and returns when it is on stable storage. It takes
// ownership of env, rcpts and content, which must not be changed afterwards. It sets env.ID if that
// is zero, env.Size and, if that is zero, env.ArrivedAt. Errors are ErrFull, ErrFailed, ErrClosed, or
// ctx's error if it ended before the message was handed to the store.
func (q *Queue) Put(ctx context.Context, env *message.Envelope, rcpts []message.Recipient, content []byte) (message.ID, error) {
	return 0, errTODO
}

// NextReady blocks until a domain has become ready: it has mail that is due, and it was not ready
// before or Lease has returned nil for it since. Each time is announced once, to one caller.
func (q *Queue) NextReady(ctx context.Context) (domain string, err error) { return "", errTODO }

// Lease lends out the domain's next due group. It returns nil, nil when nothing is due; the domain
// will then be announced again by NextReady.
func (q *Queue) Lease(domain string) (*Lease, error) { return nil, errTODO }

// Release gives a lease back unattempted; its group is due as before.
func (q *Queue) Release(l *Lease) {}

// Settle records what became of leases, all in one batch, and returns when it is on stable storage.
func (q *Queue) Settle(ctx context.Context, s []Settlement) error { return errTODO }

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

// Lease is a group of recipients of one message at one domain, lent out for one attempt. It ends in
// Settle or Release.
type Lease struct {
	Envelope    *message.Envelope // shared; do not change
	Domain      string
	Recipients  []message.Recipient // Last holds each one's newest outcome
	Attempts    int                 // made before this one
	Due         time.Time
	DelayWarned bool // a delay warning has been sent
	Held        bool // was held when LeaseMatching took it
}

// Content returns the message's content, from memory or from disk. It must not be changed.
func (l *Lease) Content() ([]byte, error) { return nil, errTODO }

// Settlement is what became of one lease.
type Settlement struct {
	Lease *Lease
	// Results and Statuses are parallel to Lease.Recipients.
	Results  []message.Result
	Statuses []message.Status
	// NextDue is when the deferred ones are due again.
	NextDue time.Time
	// Attempted counts this attempt.
	Attempted bool
	// DelayWarned tells that a delay warning is among Reports (or was made before).
	DelayWarned bool
	// Reports are messages of our own, stored in the same batch.
	Reports []NewMessage
}

// NewMessage is a message to be stored with a settlement.
type NewMessage struct {
	Envelope   *message.Envelope
	Recipients []message.Recipient
	Content    []byte
}

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
