// Package suppress keeps the lists of addresses and domains that get no mail any more: those whose
// mailbox is gone, who complained, who unsubscribed, or whom an operator named. Each tenant has a list
// of its own, and the list of the tenant "" holds for all.
//
// The lists are on disk, in a policy store. A small filter in memory answers for nearly all recipients
// that are on no list, so that a look-up costs well under a microsecond with a million entries.
package suppress

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/policy/store"
)

// Options say how the lists work.
type Options struct {
	Store *store.Store
	// Rule says when hard bounces enter the list, until SetRule changes it; the zero value means
	// DefaultRule.
	Rule Rule
	// FilterBytes bounds the filter in memory; 0 means 8 MiB, which is good for four million entries
	// and still of use with ten times that.
	FilterBytes int
	// SweepInterval is how often entries that have ended are removed; 0 means hourly.
	SweepInterval time.Duration
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Log hears of trouble in the background; nil means silence.
	Log *zap.Logger
}

const defaultFilterBytes = 8 << 20

// List is all tenants' lists. It is safe for concurrent use.
type List struct {
	store *store.Store
	rule  atomic.Pointer[Rule]
	now   func() time.Time
	log   *zap.Logger

	filterBytes int
	filter      atomic.Pointer[filter] // nil until it has been built
	next        *filter                // being built, under changing
	wake        chan struct{}          // the filter has become too small

	// changing is held for reading by whoever changes the lists, and for writing by those who must
	// not meet a change half-way.
	changing  sync.RWMutex
	notes     [64]sync.Mutex // by address: counting is reading and writing
	seed      maphash.Seed
	importing sync.Mutex // one import at a time
	building  sync.Mutex // one filter at a time

	stop  context.CancelFunc
	ended sync.WaitGroup

	lookups, hits, asked, noted, entered, expired atomic.Int64
	// counted and delta make up the number of entries: those there when the filter was built, less
	// delta as it was then, and what has changed since.
	counted, delta atomic.Int64
}

// Open opens the lists and finishes an import that a crash has cut short. The filter is built in the
// background; until then look-ups ask the store.
func Open(ctx context.Context, o Options) (*List, error) {
	l := &List{store: o.Store, now: o.Now, log: o.Log, filterBytes: o.FilterBytes,
		wake: make(chan struct{}, 1), seed: maphash.MakeSeed()}
	if err := l.SetRule(o.Rule); err != nil {
		return nil, err
	}
	if l.filterBytes <= 0 {
		l.filterBytes = defaultFilterBytes
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.log == nil {
		l.log = zap.NewNop()
	}
	if o.SweepInterval <= 0 {
		o.SweepInterval = time.Hour
	}
	if err := l.recoverImport(ctx); err != nil {
		return nil, fmt.Errorf("suppress: finishing an import: %w", err)
	}
	background, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.ended.Go(func() { l.maintain(background, o.SweepInterval) })
	return l, nil
}

// Close ends the work in the background. The store stays open.
func (l *List) Close() error {
	l.stop()
	l.ended.Wait()
	return nil
}

// Metrics are figures since Open, but for Entries and FilterBytes, which are as of now.
type Metrics struct {
	Entries     int64 // on all lists, give or take what changes just now; 0 until they have been counted
	FilterBytes int64 // memory of the filter
	Lookups     int64
	StoreAsked  int64 // times that the filter could not tell
	Hits        int64 // recipients found suppressed
	Noted       int64 // hard bounces counted
	Entered     int64 // addresses that entered a list by the rule
	Expired     int64 // entries removed because they had ended
}

// Metrics returns the figures.
func (l *List) Metrics() Metrics {
	m := Metrics{Lookups: l.lookups.Load(), StoreAsked: l.asked.Load(), Hits: l.hits.Load(),
		Noted: l.noted.Load(), Entered: l.entered.Load(), Expired: l.expired.Load()}
	if f := l.filter.Load(); f != nil {
		m.FilterBytes = f.bytes()
		m.Entries = l.counted.Load() + l.delta.Load()
	}
	return m
}
