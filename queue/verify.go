package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
)

// VerifyReport is what Verify found.
type VerifyReport struct {
	Messages, Recipients, Records int64
	Bytes                         int64    // of content
	Aside                         int64    // damaged groups put aside before
	Problems                      []string // at most 100; ProblemCount has them all
	ProblemCount                  int64
}

const maxProblems = 100

func (r *VerifyReport) problem(format string, args ...any) {
	if r.ProblemCount++; len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// Verify checks every record of the queue or backup in dir, and that each group has its message and
// each message its groups. It changes nothing. The queue must not be open; a backup of it can be
// checked instead. What is wrong with the content is in the report, not in the error.
func Verify(ctx context.Context, dir string) (VerifyReport, error) {
	return verify(ctx, vfs.Default, dir)
}

func verify(ctx context.Context, fs vfs.FS, dir string) (VerifyReport, error) {
	var r VerifyReport
	if _, err := fs.Stat(dir); err != nil {
		return r, fmt.Errorf("queue: verify: %w", err)
	}
	s, err := openStore(dir, fs, newBudget(minMemory), nil, true, zap.NewNop(), func(error) {})
	if err != nil {
		return r, err
	}
	v := &verifier{store: s, report: &r}
	err = v.all(ctx)
	return r, errors.Join(err, s.close())
}

type verifier struct {
	store    *store
	report   *VerifyReport
	counters counters
	queued   int64
	groups   int64 // of messages with several
	singles  int64 // messages with one group
	aside    int64 // groups put aside, whose messages are kept
}

func (v *verifier) all(ctx context.Context) error {
	var err error
	if v.counters, err = loadCounters(v.store); err != nil {
		v.report.problem("counters: %v", err)
	}
	spaces := []struct {
		space byte
		check func(*walk)
	}{
		{spaceContent, v.content}, {spaceEnvelope, v.envelope}, {spaceLive, v.live},
		{spaceHeld, v.place}, {spaceSchedule, v.place}, {spaceAside, v.putAside}, {spaceMemo, v.memo},
		{spaceNote, v.note},
	}
	for _, s := range spaces {
		if err := v.space(ctx, s.space, s.check); err != nil {
			return err
		}
	}
	v.compare()
	return nil
}

func (v *verifier) space(ctx context.Context, space byte, check func(*walk)) error {
	w, err := newWalk(v.store, v.store, []byte{space}, []byte{space + 1})
	if err != nil {
		return err
	}
	for ; w.valid() && ctx.Err() == nil; w.next() {
		v.report.Records++
		check(w)
	}
	if w.damaged > 0 {
		v.report.problem("%d parts of the records %q cannot be read", w.damaged, space)
	}
	return errors.Join(w.close(), ctx.Err())
}

func (v *verifier) content(w *walk) {
	v.report.Messages++
	value, err := w.value()
	if err == nil {
		value, err = openRecord(w.it.Key(), value)
	}
	if err != nil {
		v.report.problem("content: %v", err)
		return
	}
	v.report.Bytes += int64(len(value))
}

func (v *verifier) envelope(w *walk) {
	value, err := w.value()
	if err == nil {
		_, err = decodeEnvelopeRecord(w.it.Key(), value)
	}
	if err != nil {
		v.report.problem("envelope: %v", err)
	}
}

func (v *verifier) memo(w *walk) {
	value, err := w.value()
	if err == nil {
		_, err = openRecord(w.it.Key(), value)
	}
	if err != nil {
		v.report.problem("memo: %v", err)
	}
}

func (v *verifier) note(w *walk) {
	value, err := w.value()
	if err == nil {
		_, err = openRecord(w.it.Key(), value)
	}
	if err != nil {
		v.report.problem("note: %v", err)
	}
}

// putAside counts damaged groups; a damaged note has no message to keep.
func (v *verifier) putAside(w *walk) {
	if key := w.it.Key(); len(key) < 2 || key[1] != spaceNote {
		v.aside++
	}
}

// live counts the groups of messages with several; each has its message's envelope.
func (v *verifier) live(w *walk) {
	v.groups++
	id, ok := keyID(w.it.Key())
	if !ok || !v.has(idKey(spaceEnvelope, id)) {
		v.report.problem("group %x has no envelope", w.it.Key()[1:])
	}
}

// place checks a group and that its message is there.
func (v *verifier) place(w *walk) {
	name, at, err := parsePlace(w.it.Key())
	if err != nil {
		v.report.problem("%v", err)
		return
	}
	v.queued += int64(at.count)
	v.report.Recipients += int64(at.count)
	value, err := w.value()
	var g *group
	if err == nil {
		g, err = decodeGroup(w.it.Key(), value)
	}
	if err != nil {
		v.report.problem("message %s to %s: %v", at.id, name.domain, err)
		return
	}
	if len(g.recipients) != int(at.count) {
		v.report.problem("message %s to %s: %d recipients under a key for %d", at.id, name.domain, len(g.recipients), at.count)
	}
	if g.envelope != nil {
		v.singles++
	} else {
		v.groups--
		if !v.has(liveKey(at.ticket())) {
			v.report.problem("message %s to %s has ended and is still queued", at.id, name.domain)
		}
	}
	if !v.has(idKey(spaceContent, at.id)) {
		v.report.problem("message %s to %s has no content", at.id, name.domain)
	}
}

func (v *verifier) has(key []byte) bool {
	_, closer, err := v.store.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false
	}
	if err == nil {
		_ = closer.Close()
	}
	return true // unreadable ones are reported where they are read
}

// compare holds the counters against what was found.
func (v *verifier) compare() {
	v.report.Aside = v.aside
	if v.counters.queued != v.queued {
		v.report.problem("%d recipients are queued, the counters say %d", v.queued, v.counters.queued)
	}
	if v.counters.messages != v.report.Messages {
		v.report.problem("%d messages are kept, the counters say %d", v.report.Messages, v.counters.messages)
	}
	if v.counters.bytes != v.report.Bytes {
		v.report.problem("%d bytes of content are kept, the counters say %d", v.report.Bytes, v.counters.bytes)
	}
	if v.groups > v.aside {
		v.report.problem("%d groups have neither ended nor a place in the queue", v.groups-v.aside)
	}
	ended := int64(0)
	for r := range v.counters.ended {
		if message.Result(r).Ended() {
			ended += v.counters.ended[r]
		}
	}
	if missing := v.counters.accepted - v.counters.damaged - ended - v.queued; missing != 0 {
		v.report.problem("accepted recipients less ended and queued ones leave %d", missing)
	}
}
