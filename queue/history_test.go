package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"golang.org/x/sync/errgroup"

	"github.com/posthaste-mta/posthaste/message"
)

// TestHistories runs random histories of a queue against a model: crashes that lose any part of what
// was not synced, disks that fail at any operation, and orderly restarts. POSTHASTE_HISTORIES says
// how many, POSTHASTE_SEED runs one again.
func TestHistories(t *testing.T) {
	count, first := 120, rand.Uint64()
	if s := os.Getenv("POSTHASTE_HISTORIES"); s != "" {
		count, _ = strconv.Atoi(s)
	}
	if s := os.Getenv("POSTHASTE_SEED"); s != "" {
		first, _ = strconv.ParseUint(s, 10, 64)
		count = 1
	}
	var group errgroup.Group
	group.SetLimit(8) // they wait more than they work
	for i := range uint64(count) {
		seed := first + i
		group.Go(func() error {
			if err := runHistory(seed); err != nil {
				return fmt.Errorf("POSTHASTE_SEED=%d: %w", seed, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d histories from seed %d", count, first)
}

// history is a queue, its model, and the disk below both.
type history struct {
	r      *rand.Rand
	clock  *testTime
	disk   *vfs.MemFS
	fault  atomic.Int64 // operations that change the disk until one fails; 0 means none will
	failed error        // what it fails with
	q      *Queue
	m      *model
	leases []*Lease
	// under way at a crash
	doubt []*step
	// memos has what each memo was since it was last known to be on disk, the newest last; "" is none.
	memos map[string][]string
}

func runHistory(seed uint64) (err error) {
	h := &history{
		r: rand.New(rand.NewPCG(seed, 7)), clock: newTestTime(), disk: vfs.NewCrashableMem(), m: newModel(),
		memos: map[string][]string{},
	}
	defer func() {
		if h.q != nil {
			err = errors.Join(err, h.q.Close())
		}
	}()
	if err := h.open(); err != nil {
		return err
	}
	for i := range 20 + h.r.IntN(60) {
		if err := h.act(); err != nil {
			return fmt.Errorf("at act %d: %w", i, err)
		}
	}
	if err := h.restart(h.r.IntN(2) == 0); err != nil {
		return err
	}
	if err := h.m.drain(h.q, h.clock); err != nil {
		return err
	}
	err = h.q.Close()
	h.q = nil
	return errors.Join(err, h.verify())
}

// maybeFail fails the one operation that fault counts down to. Only what changes the disk counts.
func (h *history) maybeFail(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose &&
		h.fault.Load() > 0 && h.fault.Add(-1) == 0 {
		return h.failed
	}
	return nil
}

func (h *history) open() error {
	fs := errorfs.Wrap(h.disk, errorfs.InjectorFunc(h.maybeFail))
	q, err := Open(Options{Dir: "queue", FS: fs, Memory: minMemory, Now: h.clock.now, RecipientsPerGroup: 2, MinFreeDisk: -1,
		spareLog: int64(h.r.IntN(2)) * 50_000})
	if err != nil {
		return err
	}
	// Windows so small that all of their edges are met.
	q.sched.mu.Lock()
	q.sched.windowCount, q.sched.refillCount = 1+h.r.IntN(4), 1+h.r.IntN(3)
	if h.r.IntN(3) == 0 {
		q.sched.cache.limit = 1000
	}
	q.sched.mu.Unlock()
	h.q = q
	return nil
}

func (h *history) act() error {
	switch n := h.r.IntN(100); {
	case n < 35:
		return h.do(h.put())
	case n < 55:
		return h.lease()
	case n < 72:
		return h.do(h.settle())
	case n < 75:
		h.release()
		return errors.Join(h.memo(), h.dropNotes())
	case n < 80:
		h.clock.pass(time.Duration(h.r.IntN(3000)) * time.Millisecond)
	case n < 88:
		return h.operate()
	case n < 89:
		h.clock.pass(-time.Duration(h.r.IntN(2000)) * time.Millisecond)
	case n < 91:
		return h.m.compare(h.q)
	case n < 93:
		return h.flush()
	case n < 95:
		return h.crashUnderWay()
	case n < 97:
		return h.restart(false)
	case n < 98:
		return h.restart(true)
	default:
		h.failed = []error{syscall.EIO, syscall.ENOSPC}[h.r.IntN(2)]
		h.fault.Store(1 + int64(h.r.IntN(30)))
	}
	return nil
}

// do runs a change whose caller waits for it. If the store fails meanwhile it stays in doubt and
// only a restart can tell.
func (h *history) do(s *step, run func() error) error {
	if s == nil {
		return nil
	}
	before := maps.Clone(h.memos)
	err := run()
	switch {
	case err == nil:
		h.m.apply(s)
		if len(s.after) > 0 || s.note != "" {
			clear(h.m.dropped) // what was set before this batch is as durable as the batch
			for key, told := range before {
				h.memos[key] = told[len(told)-1:]
			}
		}
		return nil
	case errors.Is(err, ErrFailed):
		h.doubt = append(h.doubt, s)
		return h.restart(false)
	case errors.Is(err, ErrFull) && s.accepted > 0: // nothing happened
		return nil
	}
	return fmt.Errorf("%s: %w", s.what, err)
}

func (h *history) put() (*step, func() error) {
	q := h.q
	env, to, content := newTestMessage(h.r, q.NewID())
	return putStep(env, to, content, h.clock.us.Load()), func() error {
		_, err := q.Put(context.Background(), env, to, content)
		return err
	}
}

func (h *history) lease() error {
	for range 1 + h.r.IntN(3) {
		l, err := h.q.Lease(fmt.Sprintf("d%d.test", h.r.IntN(4)))
		if errors.Is(err, ErrFailed) {
			return h.restart(false)
		}
		if err != nil {
			return err
		}
		if l == nil {
			continue
		}
		if err := h.m.checkLease(l, h.clock.us.Load()); err != nil {
			return err
		}
		h.leases = append(h.leases, l)
	}
	return nil
}

// take takes some leases out of those that are out.
func (h *history) take() []*Lease {
	n := min(len(h.leases), 1+h.r.IntN(3))
	taken := h.leases[:n:n]
	h.leases = h.leases[n:]
	return taken
}

func (h *history) settle() (*step, func() error) {
	leases := h.take()
	if len(leases) == 0 {
		return nil, nil
	}
	q := h.q
	settlements, s := settleStep(h.r, q, h.m, leases, h.clock.us.Load())
	if h.r.IntN(2) == 0 {
		s.note = strings.Repeat(fmt.Sprint(h.r.Uint64(), " "), 1+h.r.IntN(50))
	}
	return s, func() error {
		id, err := q.SettleNoted(context.Background(), settlements, []byte(s.note))
		if err == nil && (id == 0) != (s.note == "") {
			err = fmt.Errorf("note %d for %q", id, s.note)
		}
		return err
	}
}

// dropNotes drops some, which is not durable at once.
func (h *history) dropNotes() error {
	notes, err := allNotes(h.q)
	if errors.Is(err, ErrFailed) {
		return h.restart(false)
	}
	if err != nil {
		return err
	}
	var ids []NoteID
	for text, id := range notes {
		if h.r.IntN(2) == 0 {
			ids = append(ids, id)
			delete(h.m.notes, text)
			h.m.dropped[text] = true
		}
	}
	err = h.q.DropNotes(context.Background(), ids)
	if errors.Is(err, ErrFailed) {
		return h.restart(false)
	}
	return err
}

func (h *history) release() {
	for _, l := range h.take() {
		h.q.Release(l)
	}
}

// operate holds, resumes, retries or drops, by a filter that the model can follow.
func (h *history) operate() error {
	domain := fmt.Sprintf("d%d.test", h.r.IntN(4))
	f := Filter{Domain: domain}
	out := map[address]bool{}
	for _, l := range h.leases {
		for _, r := range l.Recipients {
			out[address{l.Envelope.ID, r.Address}] = true
		}
	}
	now := h.clock.us.Load()
	acts := []struct {
		what string
		run  func(context.Context, Filter, func([]Entry)) (Changed, error)
		want func(standing) standing
	}{
		{"hold", h.q.Hold, func(s standing) standing { s.held = true; return s }},
		{"resume", h.q.Resume, func(s standing) standing { s.held = false; return s }},
		{"drop", h.drop, func(standing) standing { return standing{} }},
		{"retry", h.q.Retry, func(s standing) standing {
			if !s.held {
				s.due = min(s.due, now)
			}
			return s
		}},
	}
	act := acts[h.r.IntN(len(acts))]
	s := newStep(act.what + " " + domain)
	for a, st := range h.m.now {
		if rcpts(a.rcpt)[0].Domain != domain || out[a] {
			continue
		}
		if after := act.want(st); after != st {
			s.before[a], s.after[a] = st, after
			if !after.queued {
				s.ended[message.Dropped]++
			}
		}
	}
	return h.do(s, func() error {
		n, err := act.run(context.Background(), f, nil)
		if err == nil && n.Recipients != int64(len(s.after)) {
			err = fmt.Errorf("changed %d, model %d", n.Recipients, len(s.after))
		}
		return err
	})
}

// drop ends what matches as an operator does: by leases.
func (h *history) drop(ctx context.Context, f Filter, _ func([]Entry)) (Changed, error) {
	leases, n, err := h.q.LeaseMatching(ctx, f, 1000)
	if err != nil || len(leases) == 0 {
		return n, err
	}
	var settlements []Settlement
	for _, l := range leases {
		settlements = append(settlements, all(l, message.Dropped))
	}
	return n, h.q.Settle(ctx, settlements)
}

func (h *history) flush() error {
	if h.q.Err() != nil {
		return h.restart(false)
	}
	// Only a plain disk here: what a failing flush does is met at random.
	if h.fault.Load() > 0 {
		return nil
	}
	return h.q.store.contain(h.q.store.Flush)
}

// crashUnderWay lets several callers put and settle at once and crashes among them.
func (h *history) crashUnderWay() error {
	type job struct {
		step *step
		run  func() error
	}
	var jobs []job
	for range 1 + h.r.IntN(4) {
		s, run := h.put()
		jobs = append(jobs, job{s, run})
	}
	for range h.r.IntN(3) {
		if s, run := h.settle(); s != nil {
			jobs = append(jobs, job{s, run})
		}
	}
	acked := make([]atomic.Bool, len(jobs))
	var wg sync.WaitGroup
	spin := h.r.IntN(20_000)
	for i, j := range jobs {
		wg.Go(func() {
			if j.run() == nil {
				acked[i].Store(true)
			}
		})
	}
	for range spin { // any moment
		_ = acked[0].Load()
	}
	for i, j := range jobs {
		if acked[i].Load() {
			h.m.apply(j.step)
		} else {
			h.doubt = append(h.doubt, j.step)
		}
	}
	disk := h.crashed()
	wg.Wait()
	return h.restartOn(disk, false)
}

// checkNotes is called after a restart: all notes that there are were left by earlier processes, and a dropped one
// comes back only by a crash.
func (h *history) checkNotes(orderly bool) (map[string]NoteID, error) {
	notes, err := allNotes(h.q)
	if err != nil {
		return nil, err
	}
	left, err := h.q.Notes(context.Background())
	if err != nil || len(left) != len(notes) {
		return nil, fmt.Errorf("%d of %d notes are left by earlier processes: %v", len(left), len(notes), err)
	}
	for text := range h.m.dropped {
		if _, back := notes[text]; back && orderly {
			return nil, fmt.Errorf("note %q came back", text)
		} else if back {
			h.m.notes[text] = true
		}
	}
	clear(h.m.dropped)
	return notes, nil
}

// memo sets or drops one, which needs no batch of its own and gets none.
func (h *history) memo() error {
	key, value := fmt.Sprintf("m%d", h.r.IntN(4)), ""
	if h.r.IntN(3) == 0 {
		h.q.DropMemo(key)
	} else {
		value = fmt.Sprint("v", h.r.Uint64())
		if err := h.q.SetMemo(key, []byte(value)); err != nil {
			return err
		}
	}
	if h.memos[key] == nil {
		h.memos[key] = []string{""}
	}
	h.memos[key] = append(h.memos[key], value)
	if got := string(h.q.Memos()[key]); got != value {
		return fmt.Errorf("memo %s is %q, want %q", key, got, value)
	}
	return nil
}

// checkMemos is called after a restart: a memo is what it was when the queue ended, or, after a crash, something it
// was since it is known to have been on disk.
func (h *history) checkMemos(orderly bool) error {
	seen := h.q.Memos()
	for key := range seen {
		if h.memos[key] == nil {
			return fmt.Errorf("memo %s was never set", key)
		}
	}
	for key, told := range h.memos {
		if orderly {
			told = told[len(told)-1:]
		}
		if !slices.Contains(told, string(seen[key])) {
			return fmt.Errorf("memo %s is %q after a restart (orderly: %v), was %q", key, seen[key], orderly, told)
		}
		h.memos[key] = []string{string(seen[key])}
	}
	return nil
}

func (h *history) crashed() *vfs.MemFS {
	return h.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: h.r.IntN(101), RNG: rand.New(rand.NewPCG(h.r.Uint64(), 1))})
}

// restart ends the queue, in order or by a crash, and opens it again.
func (h *history) restart(orderly bool) error {
	h.fault.Store(0)
	if orderly && h.q.Err() == nil {
		if err := h.q.Close(); err != nil {
			return err
		}
		return h.restartOn(h.disk, true)
	}
	return h.restartOn(h.crashed(), false)
}

func (h *history) restartOn(disk *vfs.MemFS, orderly bool) error {
	h.fault.Store(0)
	old := h.q
	h.q = nil
	if err := old.Close(); err != nil && old.Err() == nil {
		return err
	}
	h.leases = nil
	h.disk = disk
	if err := h.open(); err != nil {
		return err
	}
	if err := h.checkMemos(orderly); err != nil {
		return err
	}
	seen, _, err := look(h.q)
	if err != nil {
		return err
	}
	notes, err := h.checkNotes(orderly)
	if err != nil {
		return err
	}
	for _, s := range h.doubt {
		if err := h.m.resolve(s, seen, notes); err != nil {
			return err
		}
	}
	h.doubt = nil
	return h.m.compare(h.q)
}

// verify checks the disk as a cold copy.
func (h *history) verify() error {
	report, err := verify(context.Background(), h.disk, "queue")
	if err == nil && report.ProblemCount > 0 {
		err = fmt.Errorf("verify: %q", report.Problems)
	}
	return err
}
