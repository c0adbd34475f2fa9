package mailbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"
)

// TestHistories runs random histories of a store against a model: crashes that lose any part of what was not
// synced, disks that fail at any operation, and orderly restarts. POSTHASTE_HISTORIES says how many,
// POSTHASTE_SEED runs one again.
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
			if err := runHistory(rand.New(rand.NewPCG(seed, 7)), 10+int(seed%30)); err != nil {
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

// TestShortHistories lets rapid look for the shortest history that goes wrong.
func TestShortHistories(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		if err := runHistory(drawer{r}, rapid.IntRange(1, 12).Draw(r, "acts")); err != nil {
			r.Fatal(err)
		}
	})
}

// dice is where a history's choices come from.
type dice interface{ IntN(n int) int }

type drawer struct{ r *rapid.T }

func (d drawer) IntN(n int) int { return rapid.IntRange(0, n-1).Draw(d.r, "n") }

// history is a store, its model, and the disk below both.
type history struct {
	r      dice
	disk   *vfs.MemFS
	fault  atomic.Int64 // operations that change the disk until one fails; 0 means none will
	failed error        // what it fails with
	s      *Store
	m      modelStore
	// mails is what each UID ever was, by validity: it may never be another.
	mails map[uint64]string
	token int
	held  []*Folder // open all the time
	// under way at a crash
	doubt []*step
}

// step is one call. The model knows how it must end.
type step struct {
	what string
	run  func() error
	want error
	// apply has the model follow. seen is nil if nothing went on beside it; else the store after a crash, which
	// tells what UIDs there are. After ErrFailed the model is as before.
	apply func(seen modelStore) error
	// happened tells whether a store has seen the step.
	happened func(seen modelStore) bool
	parallel bool // others may go on beside it
	sure     bool // it was acknowledged
}

func runHistory(r dice, acts int) (err error) {
	h := &history{r: r, disk: vfs.NewCrashableMem(), m: modelStore{}, mails: map[uint64]string{}}
	defer func() {
		if r := recover(); r != nil { // so that the seed is told
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
			return
		}
		if h.s != nil {
			err = errors.Join(err, h.s.Close())
		}
	}()
	if err := h.open(); err != nil {
		return err
	}
	for i := range acts {
		if err := h.act(); err != nil {
			return fmt.Errorf("at act %d: %w", i, err)
		}
	}
	if err := h.restart(h.r.IntN(2) == 0); err != nil {
		return err
	}
	if err := h.s.sweepOnce(context.Background()); err != nil {
		return err
	}
	if err := h.compare(); err != nil {
		return err
	}
	if n, want := h.s.meta.bytes, h.m.contents(); n != want {
		return fmt.Errorf("%d bytes of contents are stored, want %d", n, want)
	}
	err = h.s.Close()
	h.s = nil
	return err
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
	s, err := Open(Options{Dir: "mailbox", FS: fs, Memory: minMemory})
	if err != nil {
		return err
	}
	if h.r.IntN(2) == 0 {
		err = s.view(context.Background(), func() error { s.budget.folders = 10; return nil })
	}
	h.s = s
	return err
}

func (h *history) act() error {
	switch n := h.r.IntN(100); {
	case n < 30:
		return h.do(h.deliver())
	case n < 66:
		return h.do(h.change(h.account()))
	case n < 70:
		f, err := h.s.OpenFolder(context.Background(), h.account(), h.folder())
		if err == nil {
			h.held = append(h.held, f)
		}
	case n < 76:
		return h.compare()
	case n < 80:
		if h.fault.Load() > 0 || h.s.Err() != nil {
			return nil
		}
		return h.s.contain(h.s.db.Flush)
	case n < 90:
		return h.crashUnderWay()
	case n < 93:
		return h.restart(false)
	case n < 95:
		return h.restart(true)
	default:
		h.failed = []error{syscall.EIO, syscall.ENOSPC}[h.r.IntN(2)]
		h.fault.Store(1 + int64(h.r.IntN(25)))
	}
	return nil
}

// do makes a call. If the store fails meanwhile it stays in doubt, and only a restart can tell.
func (h *history) do(s *step) error {
	if s == nil {
		return nil
	}
	err := s.run()
	switch {
	case errors.Is(err, ErrFailed):
		if s.want == nil { // else it cannot have happened
			h.doubt = append(h.doubt, s)
		}
		return h.restart(false)
	case !errors.Is(err, s.want):
		return fmt.Errorf("%s: %v, want %v", s.what, err, s.want)
	case err != nil:
		return nil
	}
	err = s.apply(nil)
	if errors.Is(err, ErrFailed) { // it wanted to look at the store, which has failed since
		s.sure = true
		h.doubt = append(h.doubt, s)
		return h.restart(false)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.what, err)
	}
	return nil
}

// crashUnderWay lets several callers at once change one folder each, or deliver, and crashes among them.
func (h *history) crashUnderWay() error {
	var steps []*step
	for range 1 + h.r.IntN(4) {
		if s := h.deliver(); s != nil {
			steps = append(steps, s)
		}
	}
	for _, name := range accountNames {
		if s := h.change(name); s != nil && s.want == nil && s.parallel {
			steps = append(steps, s)
		}
	}
	var wg sync.WaitGroup
	acked := make([]atomic.Bool, len(steps)+1)
	spin := h.r.IntN(20_000)
	for i, s := range steps {
		wg.Go(func() {
			if s.run() == nil {
				acked[i].Store(true)
			}
		})
	}
	for range spin { // any moment
		acked[0].Load()
	}
	for i, s := range steps {
		s.sure = acked[i].Load()
	}
	disk := h.crashed()
	wg.Wait()
	h.doubt = append(h.doubt, steps...)
	return h.restartOn(disk)
}

func (h *history) crashed() *vfs.MemFS {
	return h.disk.CrashClone(vfs.CrashCloneCfg{
		UnsyncedDataPercent: h.r.IntN(101), RNG: rand.New(rand.NewPCG(uint64(h.r.IntN(1<<30)), 1)),
	})
}

// restart ends the store, in order or by a crash, and opens it again.
func (h *history) restart(orderly bool) error {
	h.fault.Store(0)
	if orderly && h.s.Err() == nil {
		if err := h.s.Close(); err != nil && h.s.Err() == nil {
			return err
		}
		return h.restartOn(h.disk)
	}
	return h.restartOn(h.crashed())
}

func (h *history) restartOn(disk *vfs.MemFS) error {
	h.fault.Store(0)
	for _, f := range h.held {
		f.Close()
	}
	h.held = nil
	old := h.s
	h.s = nil
	if err := old.Close(); err != nil && old.Err() == nil {
		return err
	}
	h.disk = disk
	if err := h.open(); err != nil {
		return err
	}
	if len(h.doubt) > 0 {
		seen, err := look(h.s)
		if err != nil {
			return err
		}
		for _, s := range h.doubt {
			did := s.happened(seen)
			if did {
				err = s.apply(seen)
			} else if s.sure {
				err = errors.New("acknowledged and lost")
			}
			if err != nil {
				return fmt.Errorf("%s, after the crash: %w", s.what, err)
			}
		}
		h.doubt = nil
	}
	return h.compare()
}

// compare holds the store against its model, and its records against each other.
func (h *history) compare() error {
	seen, err := look(h.s)
	if errors.Is(err, ErrFailed) {
		return h.restart(false)
	}
	if err != nil {
		return err
	}
	if err := h.m.compare(seen); err != nil {
		return err
	}
	for _, a := range seen {
		for _, f := range a.folders {
			for uid, m := range f.mails {
				key := uint64(f.validity)<<32 | uint64(uid)
				if was, ok := h.mails[key]; ok && was != m.content {
					return fmt.Errorf("validity %d UID %d was %q and is %q", f.validity, uid, was, m.content)
				}
				h.mails[key] = m.content
			}
		}
	}
	var report VerifyReport
	snap := h.s.db.NewSnapshot() // sweeps go on
	report, err = verifyAll(context.Background(), snap)
	if err = errors.Join(err, snap.Close()); err == nil && report.ProblemCount > 0 && h.s.Err() == nil {
		err = fmt.Errorf("verify: %q", report.Problems)
	}
	return err
}

var accountNames = []string{"a@x.test", "b@x.test", "c@x.test"}

func (h *history) folder() string { return []string{inbox, inbox, "A", "B", "A/x"}[h.r.IntN(5)] }

func (h *history) account() string { return accountNames[h.r.IntN(len(accountNames))] }

// split takes a content apart from what a copy has before it.
func split(content string) (prefix, rest string) {
	at := strings.Index(content, "Token:")
	return content[:at], content[at:]
}

func (h *history) content() string {
	h.token++
	body := strings.Repeat("x", []int{0, 10, 3000, pieceBytes + 5}[h.r.IntN(4)])
	return fmt.Sprintf("Token: %d\r\n\r\n%s", h.token, body)
}
