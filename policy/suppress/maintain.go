package suppress

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/policy/store"
)

// maintain is the goroutine in the background: it builds the filter, and removes what has ended.
func (l *List) maintain(ctx context.Context, every time.Duration) {
	l.try(ctx, "building the filter", l.build)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
			l.try(ctx, "building the filter", l.build)
		case <-tick.C:
			l.try(ctx, "removing what has ended", l.sweep)
		}
	}
}

// try does a task of the background. One that fails costs speed or space, never an answer.
func (l *List) try(ctx context.Context, what string, f func(context.Context) error) {
	if err := f(ctx); err != nil && ctx.Err() == nil {
		l.log.Warn("suppress: "+what, zap.Error(err))
	}
}

func (l *List) rebuildSoon() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// build makes a new filter of what is on the lists.
func (l *List) build(ctx context.Context) error {
	l.building.Lock()
	defer l.building.Unlock()
	if f := l.filter.Load(); f != nil && (f.added.Load() <= f.room || f.bytes()*2 > int64(l.filterBytes)) {
		return nil // woken twice, or it may not grow
	}
	n, err := l.store.Count(ctx, store.Suppressions)
	if err != nil {
		return err
	}
	f := newFilter(2*n, l.filterBytes)
	l.setNext(f)
	defer l.setNext(nil)
	n = -l.delta.Load() // what others have changed since is counted on both sides
	for e, err := range l.store.Scan(store.Suppressions, nil) {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.add(e.Key)
		n++
	}
	l.counted.Store(n)
	l.filter.Store(f)
	return nil
}

// setNext makes a filter known to those who change the lists. Whoever does not know it has finished
// his change when setNext returns, so that a scan sees it.
func (l *List) setNext(f *filter) {
	l.changing.Lock()
	defer l.changing.Unlock()
	l.next = f
}

// sweep removes the entries that have ended and the bounces that count no more.
func (l *List) sweep(ctx context.Context) error {
	now := l.now()
	ended := func(key, value []byte) bool {
		e, err := readEntry(key, value)
		return err == nil && e.ended(now)
	}
	n, err := l.sweepTable(ctx, store.Suppressions, ended)
	l.expired.Add(n)
	l.delta.Add(-n)
	if err != nil {
		return err
	}
	forgotten := func(_, value []byte) bool { return len(l.recent(readBounces(value), now)) == 0 }
	_, err = l.sweepTable(ctx, store.Bounces, forgotten)
	return err
}

const sweepChunk = 256

func (l *List) sweepTable(ctx context.Context, t store.Table, gone func(key, value []byte) bool) (removed int64, err error) {
	var keys [][]byte
	flush := func() error {
		n, err := l.removeIf(ctx, t, keys, gone)
		removed += n
		keys = keys[:0]
		return err
	}
	for e, err := range l.store.Scan(t, nil) {
		if err != nil {
			return removed, err
		}
		if ctx.Err() != nil {
			return removed, ctx.Err()
		}
		if !gone(e.Key, e.Value) {
			continue
		}
		if keys = append(keys, e.Key); len(keys) == sweepChunk {
			if err := flush(); err != nil {
				return removed, err
			}
		}
	}
	return removed, flush()
}

// removeIf removes the keys that are still as they were: one of them may have been entered anew.
func (l *List) removeIf(ctx context.Context, t store.Table, keys [][]byte, gone func(key, value []byte) bool) (int64, error) {
	l.changing.Lock()
	defer l.changing.Unlock()
	var changes []store.Change
	for _, key := range keys {
		if value, err := l.store.Get(t, key); err == nil && gone(key, value) {
			changes = append(changes, store.Change{Table: t, Key: key})
		}
	}
	if len(changes) == 0 {
		return 0, nil
	}
	return int64(len(changes)), l.store.Apply(ctx, false, changes...)
}
