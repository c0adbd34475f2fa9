package limit

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/policy/store"
)

// saveInterval is how often quotas are written: a kill forgets that much counting, a power failure
// also what the store has not synced (store.FlushInterval).
const saveInterval = 500 * time.Millisecond

const (
	recordVersion = 1
	saveBatch     = 1000 // records
	saveTimeout   = 10 * time.Second
)

// keep saves quotas and sweeps, until ctx ends.
func (l *Limiter) keep(ctx context.Context) {
	defer close(l.ended)
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	today := l.instant().day
	for next := 0; ; next = (next + 1) % shards {
		select {
		case <-ctx.Done():
			l.save()
			return
		case <-tick.C:
		}
		l.save()
		t := l.instant()
		l.sweep(&l.shards[next], t)
		if t.day != today {
			today = t.day
			l.spilled.Store(false)
			if err := l.expire(t); err != nil {
				l.log.Error("cannot remove the quotas of yesterday", zap.Error(err))
			}
		}
	}
}

// save writes the quotas that have changed, those of many shards at once. What the store does not take is tried again.
func (l *Limiter) save() {
	if l.store == nil {
		return
	}
	var batch []store.Change
	var keys [shards][]key
	for i := range l.shards {
		var changes []store.Change
		keys[i], changes = l.shards[i].takeUnsaved()
		if batch = append(batch, changes...); len(batch) < saveBatch && i < shards-1 {
			continue
		}
		if !l.saveNow(batch, keys[:i+1]) {
			return
		}
		batch = batch[:0]
		clear(keys[:])
	}
}

// saveNow writes the changes of the keys, by shard; or marks them as not saved.
func (l *Limiter) saveNow(batch []store.Change, keys [][]key) bool {
	if len(batch) == 0 {
		return true
	}
	if err := l.apply(batch); err != nil {
		for i, k := range keys {
			l.shards[i].again(k)
		}
		if l.saveErrors.Add(1) == 1 {
			l.log.Error("cannot keep quotas; a restart would forgive what is used up", zap.Error(err))
		}
		return false
	}
	l.saved.Add(int64(len(batch)))
	return true
}

func (l *Limiter) apply(changes []store.Change) error {
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	return l.store.Apply(ctx, false, changes...)
}

// takeUnsaved returns the quotas to write, which count as saved from now on.
func (s *shard) takeUnsaved() ([]key, []store.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := s.unsaved
	s.unsaved = nil
	changes := make([]store.Change, 0, len(keys))
	for _, k := range keys {
		c, ok := s.cells[k]
		if !ok {
			continue
		}
		changes = append(changes, store.Change{Table: store.Quotas, Key: storeKey(k.subject, k.unit, s.names[k]), Value: record(c)})
		c.unsaved = false
		s.cells[k] = c
	}
	return keys, changes
}

// again marks quotas that were not written after all.
func (s *shard) again(keys []key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range keys {
		if c, ok := s.cells[k]; ok && !c.unsaved {
			c.unsaved = true
			s.cells[k] = c
			s.unsaved = append(s.unsaved, k)
		}
	}
}

// restore takes over the quotas of today and forgets older ones.
func (l *Limiter) restore(ctx context.Context) error {
	if l.store == nil {
		return nil
	}
	t := l.instant()
	if err := l.expire(t); err != nil {
		return err
	}
	for e, err := range l.store.Scan(store.Quotas, nil) {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		c, err := readRecord(e.Value)
		if err != nil || len(e.Key) < 3 || c.day != t.day {
			continue
		}
		name := string(e.Key[2:])
		k := key{alike: Rule{Subject: Subject(e.Key[0]), Unit: Unit(e.Key[1]), Kind: Quota}.alike()}
		if k.who, err = l.hashName(k.subject, name); err != nil {
			continue
		}
		s := l.shard(k)
		if len(s.cells) >= l.perShard {
			l.spilled.Store(true)
			continue
		}
		if s.names == nil {
			s.names = make(map[key]string)
		}
		s.cells[k], s.names[k] = c, name
	}
	return nil
}

// hashName is what gather finds for the subject of that name.
func (l *Limiter) hashName(s Subject, name string) (uint64, error) {
	if s != Client {
		return maphash.String(l.seed, name), nil
	}
	p, err := parseClient(name)
	if err != nil {
		return 0, err
	}
	return l.hashClient(p), nil
}

// expire removes the records of other days, and damaged ones.
func (l *Limiter) expire(t instant) error {
	if l.store == nil {
		return nil
	}
	var changes []store.Change
	for e, err := range l.store.Scan(store.Quotas, nil) {
		if err != nil {
			return err
		}
		if c, err := readRecord(e.Value); err == nil && c.day == t.day {
			continue
		}
		changes = append(changes, store.Change{Table: store.Quotas, Key: e.Key})
		if len(changes) == saveBatch {
			if err := l.apply(changes); err != nil {
				return err
			}
			changes = nil
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return l.apply(changes)
}

// load reads a quota that was forgotten. The shard is locked, which is well while this is rare. One that
// cannot be read counts as unused: mail goes on.
func (l *Limiter) load(r *rule, who *Who) cell {
	if l.store == nil {
		return cell{}
	}
	value, err := l.store.Get(store.Quotas, storeKey(r.Subject, r.Unit, who.name(r.Subject)))
	if err != nil {
		return cell{}
	}
	c, _ := readRecord(value)
	return c
}

func storeKey(s Subject, u Unit, name string) []byte {
	return append([]byte{byte(s), byte(u)}, name...)
}

func record(c cell) []byte {
	b := binary.AppendVarint([]byte{recordVersion}, int64(c.day))
	return binary.AppendVarint(b, c.n)
}

var errRecord = errors.New("limit: damaged record")

func readRecord(b []byte) (cell, error) {
	if len(b) == 0 || b[0] != recordVersion {
		return cell{}, errRecord
	}
	days, n := binary.Varint(b[1:])
	if n <= 0 || int64(int32(days)) != days {
		return cell{}, errRecord
	}
	used, m := binary.Varint(b[1+n:])
	if m <= 0 || used < 0 || 1+n+m != len(b) {
		return cell{}, errRecord
	}
	return cell{day: int32(days), n: used}, nil
}
