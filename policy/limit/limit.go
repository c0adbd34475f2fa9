package limit

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/policy/store"
)

// Options say how a Limiter works.
type Options struct {
	Rules []Rule
	// Store keeps the quotas; nil means that a restart forgets them.
	Store *store.Store
	// Subjects bounds the counts that are remembered: one for each subject under each of its rules.
	// 0 means a million, which is some 60 MB if ever reached.
	Subjects int
	// Location says when a day begins; nil means UTC.
	Location *time.Location
	// Now is the clock; nil means the real one.
	Now func() time.Time
	// Log hears of a store that does not take the quotas; nil means silence.
	Log *zap.Logger
}

const defaultSubjects = 1_000_000

// Limiter counts. It is safe for concurrent use.
type Limiter struct {
	store    *store.Store
	perShard int
	location *time.Location
	now      func() time.Time
	log      *zap.Logger

	rules  atomic.Pointer[ruleset]
	epoch  time.Time
	today  atomic.Pointer[calendar]
	seed   maphash.Seed
	shards [shards]shard
	// spilled tells that a quota was forgotten that the store has.
	spilled atomic.Bool

	stop  context.CancelFunc
	ended chan struct{} // closed when the keeper has ended

	taken                     [numUnits]atomic.Int64
	refused                   [numSubjects]atomic.Int64
	evictedFree, evictedOwing atomic.Int64
	saved, saveErrors         atomic.Int64
}

// New returns a Limiter with the quotas of today that the store has. Close must follow.
func New(ctx context.Context, o Options) (*Limiter, error) {
	l := &Limiter{store: o.Store, location: o.Location, now: o.Now, log: o.Log, seed: maphash.MakeSeed(), ended: make(chan struct{})}
	if l.now == nil {
		l.now = time.Now
	}
	if l.location == nil {
		l.location = time.UTC
	}
	if l.log == nil {
		l.log = zap.NewNop()
	}
	if o.Subjects <= 0 {
		o.Subjects = defaultSubjects
	}
	l.perShard = max(o.Subjects/shards, 4)
	l.epoch = l.now()
	for i := range l.shards {
		l.shards[i].cells = make(map[key]cell)
	}
	if err := l.SetRules(o.Rules); err != nil {
		return nil, err
	}
	if err := l.restore(ctx); err != nil {
		return nil, fmt.Errorf("limit: reading quotas: %w", err)
	}
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	go l.keep(ctx)
	return l, nil
}

// SetRules replaces all rules, or none if one is wrong. What has been used up stays used up under
// those that count the same.
func (l *Limiter) SetRules(rules []Rule) error {
	set, err := newRuleset(rules)
	if err != nil {
		return err
	}
	l.rules.Store(set)
	return nil
}

// Close saves the quotas and ends the Limiter's goroutine. The store must still be open.
func (l *Limiter) Close() {
	l.stop()
	<-l.ended
}
