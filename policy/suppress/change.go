package suppress

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/posthaste-mta/posthaste/policy/store"
)

// ErrNotFound tells that the list has no such entry.
var ErrNotFound = errors.New("suppress: no such entry")

// Add enters all the entries, or none if one is wrong (a *FieldError); those there already are
// replaced. It returns when they are on disk.
func (l *List) Add(ctx context.Context, entries ...Entry) error {
	changes := make([]store.Change, len(entries))
	for i, e := range entries {
		e, err := e.normal(l.now())
		if err != nil {
			return fmt.Errorf("suppress: %q: %w", e.Target, err)
		}
		changes[i] = setEntry(&e)
	}
	l.changing.RLock()
	defer l.changing.RUnlock()
	before, err := l.there(changes)
	if err != nil {
		return err
	}
	if err := l.enter(ctx, true, changes); err != nil {
		return err
	}
	l.delta.Add(int64(len(changes)) - before)
	return nil
}

// there tells how many of the keys to be set are on the lists already.
func (l *List) there(changes []store.Change) (n int64, err error) {
	seen := make(map[string]bool, len(changes))
	for _, c := range changes {
		twice := seen[string(c.Key)]
		if seen[string(c.Key)] = true; !twice {
			switch _, err := l.store.Get(store.Suppressions, c.Key); {
			case errors.Is(err, store.ErrNotFound):
				continue
			case err != nil:
				return 0, err
			}
		}
		n++
	}
	return n, nil
}

func setEntry(e *Entry) store.Change {
	return store.Change{Table: store.Suppressions, Key: appendKey(nil, e.Tenant, e.Target), Value: appendRecord(nil, e)}
}

// enter applies changes, of which those of Suppressions become known to the filter before. changing
// is held.
func (l *List) enter(ctx context.Context, durable bool, changes []store.Change) error {
	for _, c := range changes {
		if c.Table != store.Suppressions || c.Value == nil {
			continue
		}
		if f := l.filter.Load(); f != nil {
			f.add(c.Key)
			if f.added.Load() > f.room {
				l.rebuildSoon()
			}
		}
		if l.next != nil {
			l.next.add(c.Key)
		}
	}
	return l.store.Apply(ctx, durable, changes...)
}

// Remove takes an address or domain off a tenant's list, and forgets the bounces counted for it. It
// returns when that is on disk; ErrNotFound if it was not on the list.
func (l *List) Remove(ctx context.Context, tenant, target string) error {
	target, err := ParseTarget(target)
	if err != nil {
		return fmt.Errorf("suppress: %w", err)
	}
	l.changing.RLock()
	defer l.changing.RUnlock()
	key := appendKey(nil, tenant, target)
	if _, err := l.store.Get(store.Suppressions, key); errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: %s of tenant %q", ErrNotFound, target, tenant)
	} else if err != nil {
		return err
	}
	err = l.store.Apply(ctx, true, store.Change{Table: store.Suppressions, Key: key}, store.Change{Table: store.Bounces, Key: key})
	if err != nil {
		return err
	}
	l.delta.Add(-1)
	return nil
}

// Filter says which entries are wanted; the zero value means all.
type Filter struct {
	// Tenant restricts it to that tenant's list if OneTenant is set.
	Tenant    string
	OneTenant bool
	Contains  string // a part of the target
	Reason    string
	Targets   []string // one of these, as ParseTarget returns them
	// After leaves out the entries up to this one: where an earlier listing has stopped.
	After *Entry
}

// Entries goes through the entries by tenant, addresses before domains. Entries that have ended are
// left out. The last pair has the error, if there is one.
func (l *List) Entries(f Filter) iter.Seq2[Entry, error] {
	var prefix, from []byte
	if f.OneTenant {
		prefix = append([]byte(f.Tenant), 0)
	}
	if f.After != nil {
		from = append(appendKey(nil, f.After.Tenant, f.After.Target), 0)
	}
	if string(from) < string(prefix) {
		from = prefix
	}
	contains := strings.ToLower(f.Contains)
	now := l.now()
	return func(yield func(Entry, error) bool) {
		for record, err := range l.store.ScanFrom(store.Suppressions, prefix, from) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			e, err := readEntry(record.Key, record.Value)
			if err == nil && (e.ended(now) || f.Reason != "" && f.Reason != e.Reason || !strings.Contains(e.Target, contains) ||
				f.Targets != nil && !slices.Contains(f.Targets, e.Target)) {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}
