package queue

import (
	"bytes"

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
	w, err := newWalk(q.store, q.store, from, []byte{spaceSchedule + 1})
	if err != nil {
		return nil, err
	}
	for n := 0; w.valid() && n < 1000; n++ {
		name, at, err := parsePlace(w.it.Key())
		if err != nil {
			q.log.Error("queue: a key of the schedule is damaged", zap.Error(err))
			w.next()
			continue
		}
		q.sched.found(name, at)
		from = prefixEnd(flowPrefix(spaceSchedule, name))
		w.seek(from)
	}
	if !w.valid() {
		from = nil
	}
	return from, w.close()
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
	w, err := newWalk(q.store, q.store, from.append(bytes.Clone(prefix)), prefixEnd(prefix))
	if err != nil {
		return head{}, err
	}
	h := head{bound: from}
	q.readHead(w, &h, now, count)
	return h, w.close()
}

func (q *Queue) readHead(w *walk, h *head, now int64, count int) {
	for ; w.valid(); w.next() {
		name, at, err := parsePlace(w.it.Key())
		if err != nil {
			q.log.Error("queue: a key of the schedule is damaged", zap.Error(err))
			continue
		}
		h.bound = at
		if at.due > now || len(h.entries) == count {
			return
		}
		// A value that cannot be read becomes an empty record: Lease then puts it aside.
		value, err := w.value()
		if err != nil {
			q.log.Error("queue: a record of the schedule is damaged", zap.Error(err))
		}
		h.entries = append(h.entries, &entry{name: name, slot: at, value: bytes.Clone(value)})
	}
	h.all = w.err == nil
}
