package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// powerLoss returns the disk as it is if everything not synced is lost now.
func powerLoss(disk *vfs.MemFS) *vfs.MemFS { return disk.CrashClone(vfs.CrashCloneCfg{}) }

func TestDurableSurvivesPowerLoss(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := openTest(t, disk)
	apply(t, s, false, set(Triplets, "a", "1"))
	apply(t, s, true, set(Keys, "a", "1"), set(Users, "a", "2"))
	apply(t, s, false, set(Users, "b", "3"))
	apply(t, s, true) // no change, but what came before must be on disk
	s = openTest(t, powerLoss(disk))
	got := append(all(t, s, Keys, ""), all(t, s, Users, "")...)
	if diff := cmp.Diff([]string{"a=1", "a=2", "b=3"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNotDurableIsSyncedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewCrashableMem()
		s := openTest(t, disk)
		for i := range 10 { // each of them must not put the sync off
			apply(t, s, false, set(Triplets, fmt.Sprint(i), ""))
			time.Sleep(FlushInterval / 4)
		}
		found := all(t, openTest(t, powerLoss(disk)), Triplets, "")
		if len(found) < 10-4 {
			t.Errorf("more than a second lost: %v", found)
		}
	})
}

// Whatever is under way when the power fails: the store holds all durable batches, and behind them
// no batch without those before it, and none in part.
func TestCrashKeepsAPrefixOfWholeBatches(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		disk := vfs.NewCrashableMem()
		states := []map[string]string{{}} // after each batch
		for range rapid.IntRange(1, 2).Draw(r, "lives") {
			s, err := Open(Options{Dir: "policy", FS: disk})
			if err != nil {
				r.Fatal(err)
			}
			durable := 0
			for range rapid.IntRange(0, 8).Draw(r, "batches") {
				next := maps.Clone(states[len(states)-1])
				sync := rapid.IntRange(0, 3).Draw(r, "sync") == 0
				if err := s.Apply(context.Background(), sync, drawBatch(r, next)...); err != nil {
					r.Fatal(err)
				}
				states = append(states, next)
				if sync {
					durable = len(states) - 1
				}
			}
			percent := rapid.SampledFrom([]int{0, 50, 100}).Draw(r, "unsynced")
			seed := rapid.Uint64().Draw(r, "seed")
			crashed := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, 1))})
			if err := s.Close(); err != nil {
				r.Fatal(err)
			}
			disk = crashed
			found := contents(r, disk)
			kept := -1
			for i := durable; i < len(states); i++ {
				if maps.Equal(states[i], found) {
					kept = i
				}
			}
			if kept < 0 {
				r.Fatalf("found %v, want one of %v", found, states[durable:])
			}
			states = []map[string]string{found}
		}
	})
}

func drawBatch(r *rapid.T, model map[string]string) []Change {
	var changes []Change
	for range rapid.IntRange(1, 4).Draw(r, "changes") {
		table := rapid.SampledFrom([]Table{Keys, Users}).Draw(r, "table")
		key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "key")
		name := table.String() + "/" + key
		if rapid.IntRange(0, 3).Draw(r, "remove") == 0 {
			changes = append(changes, Change{Table: table, Key: []byte(key)})
			delete(model, name)
			continue
		}
		value := strings.Repeat(rapid.StringMatching("[a-z]").Draw(r, "value"), rapid.SampledFrom([]int{1, 2000}).Draw(r, "length"))
		changes = append(changes, set(table, key, value))
		model[name] = value
	}
	return changes
}

func contents(r *rapid.T, disk *vfs.MemFS) map[string]string {
	s, err := Open(Options{Dir: "policy", FS: disk})
	if err != nil {
		r.Fatal(err)
	}
	defer s.Close()
	found := map[string]string{}
	for _, table := range []Table{Keys, Users} {
		for e, err := range s.Scan(table, nil) {
			if err != nil {
				r.Fatal(err)
			}
			found[table.String()+"/"+string(e.Key)] = string(e.Value)
		}
	}
	return found
}

func isLog(op errorfs.Op) bool { return strings.HasSuffix(op.Path, ".log") }

func isLogSync(op errorfs.Op) bool {
	return isLog(op) && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData)
}

func isLogWrite(op errorfs.Op) bool { return isLog(op) && op.Kind == errorfs.OpFileWrite }

// A full disk or a sync that fails acknowledges nothing, then or later; the store says so and
// nothing hangs.
func TestFailedWriteAcknowledgesNothing(t *testing.T) {
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
		for _, at := range []func(errorfs.Op) bool{isLogSync, isLogWrite} {
			disk := vfs.NewCrashableMem()
			var armed atomic.Bool
			s := openTest(t, errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if armed.Load() && at(op) {
					return cause
				}
				return nil
			})))
			apply(t, s, true, set(Keys, "safe", ""))
			armed.Store(true)
			if err := s.Apply(t.Context(), true, set(Keys, "lost", "")); !errors.Is(err, ErrFailed) {
				t.Errorf("Apply returned %v", err)
			}
			<-s.Failed()
			armed.Store(false) // the disk is well again, the store is not: what the sync lost is unknown
			_, get := s.Get(Keys, []byte("safe"))
			_, count := s.Count(t.Context(), Keys)
			for _, err := range []error{s.Err(), get, count, s.Apply(t.Context(), false, set(Keys, "more", "")), s.Backup("b")} {
				if !errors.Is(err, ErrFailed) || !errors.Is(err, cause) {
					t.Errorf("a call after the failure returned %v", err)
				}
			}
			for _, err := range s.Scan(Keys, nil) {
				if !errors.Is(err, ErrFailed) {
					t.Errorf("Scan after the failure: %v", err)
				}
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close returned %v", err)
			}
			if diff := cmp.Diff([]string{"safe="}, all(t, openTest(t, powerLoss(disk)), Keys, "")); diff != "" {
				t.Error(diff)
			}
		}
	}
}

// The disk fills up while the log is changed for a new one, where Pebble would panic.
func TestDiskFullAtANewLog(t *testing.T) {
	disk := vfs.NewCrashableMem()
	var armed atomic.Bool
	s := openTest(t, errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if armed.Load() && isLog(op) && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite) {
			return syscall.ENOSPC
		}
		return nil
	})))
	armed.Store(true)
	acknowledged := 0
	for {
		err := s.Apply(t.Context(), true, set(Keys, fmt.Sprintf("%04d", acknowledged), strings.Repeat("x", 100<<10)))
		if err != nil {
			if !errors.Is(err, ErrFailed) {
				t.Errorf("told %v", err)
			}
			break
		}
		acknowledged++
	}
	if n := len(all(t, openTest(t, powerLoss(disk)), Keys, "")); n < acknowledged || acknowledged < 5 {
		t.Errorf("%d of %d acknowledged records are there", n, acknowledged)
	}
}

// While no table can be written (a full disk, with a log that still has room) writes wait; they end
// with their context and go on when there is room.
func TestDiskFullForTables(t *testing.T) {
	disk := vfs.NewCrashableMem()
	var armed atomic.Bool
	s := openTest(t, errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if armed.Load() && strings.HasSuffix(op.Path, ".sst") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return syscall.ENOSPC
		}
		return nil
	})))
	armed.Store(true)
	for i := 0; ; i++ {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		err := s.Apply(ctx, false, set(Keys, fmt.Sprint(i), strings.Repeat("x", 200<<10)))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil || i > 200 {
			t.Fatalf("write %d: %v", i, err)
		}
	}
	armed.Store(false)
	apply(t, s, true, set(Keys, "after", ""))
}

func TestDamageIsAnErrorOfOpen(t *testing.T) {
	disk := vfs.NewMem()
	s := openTest(t, disk)
	apply(t, s, true, set(Keys, "a", strings.Repeat("x", 1000)))
	if err := s.Close(); err != nil { // into a table
		t.Fatal(err)
	}
	names, err := disk.List("policy")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			info, err := disk.Stat("policy/" + name)
			if err != nil {
				t.Fatal(err)
			}
			f, err := disk.Create("policy/"+name, vfs.WriteCategoryUnspecified)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(make([]byte, info.Size())); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := Open(Options{Dir: "policy", FS: disk}); err == nil || !strings.Contains(err.Error(), "restore the newest backup") {
		t.Errorf("told %v", err)
	}
}
