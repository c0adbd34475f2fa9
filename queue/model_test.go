package queue

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// model knows what a queue must hold: what was acknowledged, and what was under way when it crashed.
type model struct {
	now      map[address]standing // recipients that are queued
	contents map[message.ID]string
	accepted int64
	ended    [message.NumResults]int64
	notes    map[string]bool // by their text, which none shares with another
	// dropped notes are gone, but a crash may bring them back until a batch has been synced.
	dropped map[string]bool
}

// address is a recipient of a message.
type address struct {
	id   message.ID
	rcpt string
}

// standing is all that can be seen of a queued recipient. The zero value is not queued.
type standing struct {
	queued, held bool
	attempts     int
	code         int
	due          int64
}

// step is one durable change: it happened as a whole or not at all.
type step struct {
	what     string
	before   map[address]standing
	after    map[address]standing
	contents map[message.ID]string
	accepted int64
	ended    [message.NumResults]int64
	note     string
}

func newStep(what string) *step {
	return &step{what: what, before: map[address]standing{}, after: map[address]standing{}, contents: map[message.ID]string{}}
}

func newModel() *model {
	return &model{now: map[address]standing{}, contents: map[message.ID]string{}, notes: map[string]bool{}, dropped: map[string]bool{}}
}

// apply takes in a step that happened.
func (m *model) apply(s *step) {
	for a, st := range s.after {
		if st.queued {
			m.now[a] = st
		} else {
			delete(m.now, a)
		}
	}
	maps.Copy(m.contents, s.contents)
	m.accepted += s.accepted
	for i, n := range s.ended {
		m.ended[i] += n
	}
	if s.note != "" {
		m.notes[s.note] = true
	}
}

// resolve decides from what is seen whether a step in doubt happened.
func (m *model) resolve(s *step, seen map[address]standing, notes map[string]NoteID) error {
	_, noted := notes[s.note]
	same := func(want map[address]standing) bool {
		for a, st := range want {
			if seen[a] != st {
				return false
			}
		}
		return true
	}
	if same(s.after) && noted == (s.note != "") {
		m.apply(s)
		return nil
	}
	if same(s.before) && !noted {
		return nil
	}
	return fmt.Errorf("%s happened in part: before %v, after %v, seen %v, its note: %v", s.what, s.before, s.after, seen, noted)
}

// look reads everything that is queued, and every content of it.
func look(q *Queue) (map[address]standing, map[message.ID]string, error) {
	seen := map[address]standing{}
	contents := map[message.ID]string{}
	for e, err := range q.List(context.Background(), Filter{}, 0) {
		if err != nil {
			return nil, nil, fmt.Errorf("list: %w", err)
		}
		a := address{e.ID, e.Recipient.Address}
		if _, twice := seen[a]; twice {
			return nil, nil, fmt.Errorf("%v is queued twice", a)
		}
		seen[a] = standing{queued: true, held: e.State == OnHold, attempts: e.Attempts, code: e.Recipient.Last.Code, due: micros(e.Due)}
		if _, ok := contents[e.ID]; !ok {
			content, err := q.readContent(e.ID)
			if err != nil {
				return nil, nil, err
			}
			contents[e.ID] = string(content)
		}
		if e.Sender != senderOf(e.ID, contents[e.ID]) {
			return nil, nil, fmt.Errorf("%v has sender %q", e.ID, e.Sender)
		}
	}
	return seen, contents, nil
}

// allNotes reads the notes of this process and those left by earlier ones.
func allNotes(q *Queue) (map[string]NoteID, error) {
	left, err := q.notesBelow(context.Background(), math.MaxUint64)
	notes := map[string]NoteID{}
	for _, n := range left {
		notes[string(n.Text)] = n.ID
	}
	return notes, err
}

// senderOf ties a message's envelope to its content.
func senderOf(_ message.ID, content string) string {
	return fmt.Sprintf("%d@sender.test", len(content))
}

// compare holds the queue against the model.
func (m *model) compare(q *Queue) error {
	seen, contents, err := look(q)
	if err != nil {
		return err
	}
	for a, st := range m.now {
		if seen[a] != st {
			return fmt.Errorf("%v: want %+v, have %+v", a, st, seen[a])
		}
		if contents[a.id] != m.contents[a.id] {
			return fmt.Errorf("%v: content differs", a)
		}
	}
	for a := range seen {
		if _, ok := m.now[a]; !ok {
			return fmt.Errorf("%v is queued and should not be", a)
		}
	}
	notes, err := allNotes(q)
	if err != nil {
		return err
	}
	if len(notes) != len(m.notes) {
		return fmt.Errorf("%d notes, the model has %d", len(notes), len(m.notes))
	}
	for text := range m.notes {
		if _, ok := notes[text]; !ok {
			return fmt.Errorf("note %q is missing", text)
		}
	}
	audit, err := q.Audit(context.Background())
	if err != nil {
		return err
	}
	if audit.Unaccounted() != 0 || audit.Expected != audit.Queued || audit.Queued != int64(len(m.now)) ||
		audit.Accepted != m.accepted || audit.Ended != m.ended {
		return fmt.Errorf("audit %+v, model has %d queued, %d accepted, ended %v", audit, len(m.now), m.accepted, m.ended)
	}
	return nil
}

// newTestMessage makes a message at random. Its addresses, content and envelope can be told from
// each other.
func newTestMessage(r *rand.Rand, id message.ID) (*message.Envelope, []message.Recipient, []byte) {
	size := r.IntN(200)
	switch r.IntN(20) {
	case 0:
		size = 100_000 + r.IntN(100_000)
	case 1, 2, 3:
		size = 1500 + r.IntN(4000) // kept in a blob file once flushed
	}
	content := []byte(strings.Repeat(fmt.Sprintf("%d,", r.Uint64()), size/10+10))[:size]
	env := &message.Envelope{
		ID: id, Sender: senderOf(id, string(content)),
		Class:  message.Class(r.IntN(int(message.NumClasses))),
		Tenant: []string{"", "", "acme", "umbrella"}[r.IntN(4)],
	}
	var to []string
	for i := range 1 + r.IntN(4)*r.IntN(3) {
		to = append(to, fmt.Sprintf("r%d@d%d.test", i, r.IntN(4)))
	}
	return env, rcpts(to...), content
}

// putStep is what Put changes.
func putStep(env *message.Envelope, to []message.Recipient, content []byte, now int64) *step {
	s := newStep("put " + env.ID.String())
	for _, r := range to {
		a := address{env.ID, r.Address}
		s.before[a] = standing{}
		s.after[a] = standing{queued: true, due: now}
	}
	s.contents[env.ID] = string(content)
	s.accepted = int64(len(to))
	return s
}

// settleStep decides at random what became of leases, and what that changes.
func settleStep(r *rand.Rand, q *Queue, m *model, leases []*Lease, now int64) ([]Settlement, *step) {
	s := newStep("settle")
	var settlements []Settlement
	for _, l := range leases {
		st := Settlement{Lease: l, Attempted: r.IntN(5) > 0, NextDue: fromMicros(now + int64(r.IntN(5)*1000_000))}
		for _, rcpt := range l.Recipients {
			a := address{l.Envelope.ID, rcpt.Address}
			s.before[a] = m.now[a]
			result := message.Result(r.IntN(int(message.NumResults)))
			code := [message.NumResults]int{message.Deferred: 451, message.Delivered: 250, message.Bounced: 550, message.Expired: 451}[result]
			st.Results = append(st.Results, result)
			st.Statuses = append(st.Statuses, message.Status{Code: code})
			if result.Ended() {
				s.after[a] = standing{}
				s.ended[result]++
				continue
			}
			after := m.now[a]
			after.code, after.due = code, micros(st.NextDue)
			if st.Attempted {
				after.attempts++
			}
			s.after[a] = after
		}
		if r.IntN(3) == 0 { // with a bounce in the same batch
			env, to, content := newTestMessage(r, q.NewID())
			report := putStep(env, to, content, now)
			st.Reports = append(st.Reports, NewMessage{env, to, content})
			maps.Copy(s.before, report.before)
			maps.Copy(s.after, report.after)
			maps.Copy(s.contents, report.contents)
			s.accepted += report.accepted
		}
		settlements = append(settlements, st)
	}
	return settlements, s
}

// checkLease holds a lease against the model.
func (m *model) checkLease(l *Lease, now int64) error {
	if micros(l.Due) > now {
		return fmt.Errorf("lease of %v before it is due", l.Envelope.ID)
	}
	for _, r := range l.Recipients {
		a := address{l.Envelope.ID, r.Address}
		st := m.now[a]
		want := standing{queued: true, attempts: l.Attempts, code: r.Last.Code, due: micros(l.Due)}
		if st != want {
			return fmt.Errorf("lease of %v shows %+v, model has %+v", a, want, st)
		}
	}
	content, err := l.Content()
	if err != nil {
		return err
	}
	if string(content) != m.contents[l.Envelope.ID] {
		return fmt.Errorf("content of %v differs", l.Envelope.ID)
	}
	return nil
}

// drain delivers all that is left, through NextReady, and sees each recipient once.
func (m *model) drain(q *Queue, clock *testTime) error {
	if _, err := q.Resume(context.Background(), Filter{}, nil); err != nil {
		return err
	}
	clock.pass(time.Hour)
	left := maps.Clone(m.now)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	q.sched.signal() // a clock that jumps in a test rings no alarm
	for len(left) > 0 {
		domain, err := q.NextReady(ctx)
		if err != nil {
			return fmt.Errorf("%d recipients never became ready: %w; %v", len(left), err, slices.Collect(maps.Keys(left)))
		}
		for {
			l, err := q.Lease(domain)
			if err != nil {
				return err
			}
			if l == nil {
				break
			}
			for _, r := range l.Recipients {
				a := address{l.Envelope.ID, r.Address}
				if !left[a].queued {
					return fmt.Errorf("%v was leased and is not queued", a)
				}
				delete(left, a)
				delete(m.now, a)
				m.ended[message.Delivered]++
			}
			if content, err := l.Content(); err != nil || string(content) != m.contents[l.Envelope.ID] {
				return fmt.Errorf("content of %v differs: %v", l.Envelope.ID, err)
			}
			if err := q.Settle(ctx, []Settlement{all(l, message.Delivered)}); err != nil {
				return err
			}
		}
	}
	return m.compare(q)
}
