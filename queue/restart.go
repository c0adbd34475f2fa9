package queue

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"go.uber.org/zap"
)

// scan finds out which flows there are after a start, in the background. It seeks from flow to flow
// and reads only where each begins, so it takes as long as there are flows, not messages.
func (q *Queue) scan() {
	defer close(q.scanEnded)
	from := []byte{spaceSchedule}
	for from != nil {
		var err error
		if from, err = q.scanSome(from); err != nil {
			if q.usable() != nil {
				return
			}
			q.log.Error("queue: looking through the schedule failed; what was not found waits for the next start", zap.Error(err))
			return
		}
	}
	q.sched.scanDone()
}

// scanSome looks at some flows from a key on and returns where to go on, nil at the end. The
// iterator is kept only so long, because it holds on to removed files.
func (q *Queue) scanSome(from []byte) ([]byte, error) {
	done, err := q.reading()
	if err != nil {
		return nil, err
	}
	defer done()
	it, err := q.store.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: []byte{spaceSchedule + 1}})
	if err != nil {
		return nil, err
	}
	defer it.Close()
	for range 1000 {
		if !it.SeekGE(from) {
			return nil, it.Error()
		}
		name, at, err := parsePlace(it.Key())
		if err != nil {
			return nil, err
		}
		q.sched.found(name, at)
		from = prefixEnd(flowPrefix(spaceSchedule, name))
	}
	return from, nil
}

// found takes in a flow that begins at a slot, unless it is known already.
func (s *schedule) found(name flowName, at slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flows[name] != nil {
		return
	}
	f := s.flow(name)
	f.bound, f.all = at, false
	s.changed(f, s.now())
}

func (s *schedule) scanDone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scanned = true
}

// read reads the head of a flow from disk: from a slot on, what is due at now, at most count
// entries. It decodes nothing.
func (q *Queue) read(name flowName, from slot, now int64, count int) (head, error) {
	done, err := q.reading()
	if err != nil {
		return head{}, err
	}
	defer done()
	prefix := flowPrefix(spaceSchedule, name)
	it, err := q.store.NewIter(&pebble.IterOptions{
		LowerBound: from.append(append([]byte(nil), prefix...)),
		UpperBound: prefixEnd(prefix),
	})
	if err != nil {
		return head{}, fmt.Errorf("queue: reading the schedule of %s: %w", name.domain, err)
	}
	h := head{bound: from}
	err = q.readFrom(it, &h, now, count)
	if err := errors.Join(err, it.Close()); err != nil {
		q.log.Error("queue: reading the schedule failed", zap.String("domain", name.domain), zap.Error(err))
		return head{}, err
	}
	return h, nil
}

func (q *Queue) readFrom(it *pebble.Iterator, h *head, now int64, count int) error {
	for ok := it.First(); ok; ok = it.Next() {
		name, at, err := parsePlace(it.Key())
		if err != nil {
			return err
		}
		h.bound = at
		if at.due > now || len(h.entries) == count {
			return nil
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		h.entries = append(h.entries, &entry{name: name, slot: at, value: append([]byte(nil), value...)})
	}
	h.all = true
	return it.Error()
}
