package suppress

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/store"
)

// Rule says when hard bounces put an address on the list.
type Rule struct {
	// Bounces is how many hard bounces it takes, each of another message; 1 to 20.
	Bounces int
	// Within is the time that they must fall into.
	Within time.Duration
	// For is how long the entry then holds; 0 means until it is removed.
	For time.Duration
	// Off never enters any.
	Off bool
}

// DefaultRule takes two hard bounces within 30 days: one may be the receiver's mistake.
func DefaultRule() Rule { return Rule{Bounces: 2, Within: 30 * 24 * time.Hour} }

const maxBounces = 20

func (r Rule) check() error {
	switch {
	case r.Off:
		return nil
	case r.Bounces < 1 || r.Bounces > maxBounces:
		return fmt.Errorf("a rule of %d bounces; 1 to %d make sense", r.Bounces, maxBounces)
	case r.Within <= 0 || r.For < 0:
		return errors.New("a rule without a time within which bounces count")
	default:
		return nil
	}
}

// SetRule changes the rule from now on; the zero value means DefaultRule. After an error the old one
// holds.
func (l *List) SetRule(r Rule) error {
	if r == (Rule{}) {
		r = DefaultRule()
	}
	if err := r.check(); err != nil {
		return fmt.Errorf("suppress: %w", err)
	}
	l.rule.Store(&r)
	return nil
}

// countedClasses are the classes of refusals, by the names that events use, that say something about
// the recipient. All others (policy, reputation, content, the network, unknown ones)
// are about the message, the sender or the day, and must never cost an address its mail. Which of these count is
// for the table of classes to say.
var countedClasses = map[string]bool{"bad-mailbox": true, "bad-domain": true, "full-mailbox": true}

// Note takes in that mail of a tenant to an address has bounced, with the class of the refusal by the
// name that events use. Only permanent refusals may be noted. It tells whether the address has
// entered the tenant's list by this.
//
// Counting does not wait for the disk, since a crash that forgets a bounce does no harm; entering does.
func (l *List) Note(ctx context.Context, tenant string, to message.Address, class string, why Evidence) (entered bool, err error) {
	rule := l.rule.Load()
	if rule.Off || !countedClasses[class] {
		return false, nil
	}
	now := l.now()
	e, err := Entry{Tenant: tenant, Target: to.String(), Reason: HardBounce, Evidence: why, Since: now}.normal(now)
	if err != nil {
		return false, fmt.Errorf("suppress: %w", err)
	}
	if rule.For > 0 {
		e.Until = e.Since.Add(rule.For)
	}
	key := appendKey(nil, e.Tenant, e.Target)
	l.changing.RLock()
	defer l.changing.RUnlock()
	mu := &l.notes[maphash.Bytes(l.seed, key)%uint64(len(l.notes))]
	mu.Lock()
	defer mu.Unlock()
	return l.note(ctx, key, &e, now)
}

func (l *List) note(ctx context.Context, key []byte, e *Entry, now time.Time) (entered bool, err error) {
	old, err := l.get(key)
	there := !errors.Is(err, store.ErrNotFound)
	if err == nil && !old.ended(now) {
		return false, nil // on the list already
	}
	if err != nil && there && !errors.Is(err, errRecord) {
		return false, err
	}
	seen, err := l.bounces(key, now)
	if err != nil {
		return false, err
	}
	for _, b := range seen {
		if b.event == e.Evidence.Event && b.event != "" {
			return false, nil // told twice, after a crash
		}
	}
	l.noted.Add(1)
	if len(seen)+1 < l.rule.Load().Bounces {
		seen = append(seen, bounce{at: e.Since, event: e.Evidence.Event})
		return false, l.store.Apply(ctx, false, store.Change{Table: store.Bounces, Key: key, Value: appendBounces(nil, seen)})
	}
	if err := l.enter(ctx, true, []store.Change{setEntry(e), {Table: store.Bounces, Key: key}}); err != nil {
		return false, err
	}
	l.entered.Add(1)
	if !there {
		l.delta.Add(1)
	}
	return true, nil
}

// bounce is a hard bounce that counts.
type bounce struct {
	at    time.Time
	event string
}

// bounces returns those that still count. A damaged record counts as none.
func (l *List) bounces(key []byte, now time.Time) ([]bounce, error) {
	record, err := l.store.Get(store.Bounces, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return l.recent(readBounces(record), now), nil
}

// recent leaves out what happened too long ago.
func (l *List) recent(all []bounce, now time.Time) []bounce {
	var recent []bounce
	within := l.rule.Load().Within
	for _, b := range all {
		if now.Sub(b.at) < within {
			recent = append(recent, b)
		}
	}
	return recent
}

func appendBounces(b []byte, all []bounce) []byte {
	b = append(b, recordVersion)
	for _, x := range all {
		b = appendTime(b, x.at)
		b = binary.AppendUvarint(b, uint64(len(x.event)))
		b = append(b, x.event...)
	}
	return b
}

func readBounces(record []byte) []bounce {
	var all []bounce
	r := reader{b: record}
	r.version(recordVersion)
	for len(r.b) > 0 && len(all) < maxBounces {
		all = append(all, bounce{at: r.time(), event: r.string()})
	}
	if r.bad {
		return nil
	}
	return all
}
