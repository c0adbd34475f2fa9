// Package admin shows and steers a running relay over HTTP: health and Prometheus metrics on a
// public-ish listener, and the operators' control API on a unix socket, with its client. It is
// the only package that knows Prometheus; it decides nothing about mail.
package admin

import (
	"context"
	"io"
	"iter"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
)

// Relay is what the control API needs of the relay: acts on the queue that also tell the event
// log. All take a filter and leave out recipients that are in delivery, counting them as skipped.
// Calls may take long; they end early, with what was done so far, when ctx ends.
type Relay interface {
	// List yields matching entries, at most limit if that is above 0, in the order of the queue
	// and without holding them all in memory.
	List(ctx context.Context, f queue.Filter, limit int) iter.Seq2[queue.Entry, error]
	// Count tells how many recipients match.
	Count(ctx context.Context, f queue.Filter) (queue.Counts, error)
	// Retry makes what matches due now, also when its lane or host is suspended.
	Retry(ctx context.Context, f queue.Filter) (queue.Changed, error)
	// Hold keeps what matches from delivery until Resume; events held and released.
	Hold(ctx context.Context, f queue.Filter) (queue.Changed, error)
	Resume(ctx context.Context, f queue.Filter) (queue.Changed, error)
	// Drop ends what matches without a bounce; event dropped.
	Drop(ctx context.Context, f queue.Filter) (queue.Changed, error)
	// Bounce ends what matches as undeliverable, with a report to the sender that gives the
	// reason; event bounced.
	Bounce(ctx context.Context, f queue.Filter, reason string) (queue.Changed, error)
	// Audit compares what was accepted with what ended and what is queued.
	Audit(ctx context.Context) (queue.Audit, error)
	// Backup copies the queue to dir, which must not exist, while mail goes on.
	Backup(ctx context.Context, dir string) error
	// SiteDomains returns the domains with mail known to be behind a site, for filters by site;
	// none if the site is not known. Bounded by the relay's own tables.
	SiteDomains(site string) []string
}

// Tools are what the control API offers beside the queue. A nil one answers 501.
type Tools struct {
	// Trace writes the life of a message as text; its error is relay.ErrNoTrace when the
	// event log does not know the message.
	Trace func(ctx context.Context, w io.Writer, id message.ID) error
	// Resolve writes what would be done for a domain and why, as text.
	Resolve func(ctx context.Context, w io.Writer, domain string) error
	// Reload reads the configuration again and puts it in force, or says what is wrong with it
	// and changes nothing. It returns the settings that have changed and wait for a restart.
	Reload func(ctx context.Context) (restart []string, err error)
	// Suppression is the lists of who gets no mail.
	Suppression Suppression
	// Greylist is whom the greylist knows.
	Greylist Greylist
	// Credentials is who may log in.
	Credentials Credentials
	// Users is who has a mailbox.
	Users Users
}
