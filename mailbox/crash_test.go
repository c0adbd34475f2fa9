package mailbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// powerLoss returns the disk as it is if everything not synced is lost now.
func powerLoss(disk *vfs.MemFS) *vfs.MemFS { return disk.CrashClone(vfs.CrashCloneCfg{}) }

func isLog(op errorfs.Op) bool { return strings.HasSuffix(op.Path, ".log") }

func isLogSync(op errorfs.Op) bool {
	return isLog(op) && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData)
}

func isLogWrite(op errorfs.Op) bool { return isLog(op) && op.Kind == errorfs.OpFileWrite }

// failing opens a store on a disk whose operations fail with cause while armed.
func failing(t *testing.T, disk *vfs.MemFS, cause error, at func(errorfs.Op) bool) (*Store, *atomic.Bool) {
	var armed atomic.Bool
	s := withAnn(t, Options{FS: errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if armed.Load() && at(op) {
			return cause
		}
		return nil
	}))})
	return s, &armed
}

func TestAcknowledgedMailSurvivesPowerLoss(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := withAnn(t, Options{FS: disk})
	must(t, deliver(t, s, letter, ann, bob))
	f := openFolder(t, s, ann, "")
	uid := appendTest(t, s, "", letter, Flags{})
	_, _, err := f.SetFlags(t.Context(), []uint32{uid}, AddFlags, Flags{System: Seen}, 0)
	must(t, err)
	_, err = f.Expunge(t.Context(), []uint32{1})
	must(t, err)
	want := f.Info()
	s = openTest(t, Options{FS: powerLoss(disk)})
	f = openFolder(t, s, ann, "")
	same(t, f.Info(), want)
	same(t, contentOf(t, f, uid), letter)
	same(t, contentOf(t, openFolder(t, s, bob, ""), 1), "Delivered-To: bob@example.com\r\n"+letter)
	checkStore(t, s)
}

// What a session sees is on the disk: a UID that was shown is not given to another message after a crash.
func TestWhatIsShownIsDurable(t *testing.T) {
	disk := vfs.NewCrashableMem()
	var shown atomic.Pointer[Folder]
	var crashed atomic.Pointer[vfs.MemFS]
	var early atomic.Bool
	s := withAnn(t, Options{FS: errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if f := shown.Load(); f != nil && isLogSync(op) {
			early.Store(early.Load() || f.Info().Messages > 0)
			crashed.Store(powerLoss(disk))
		}
		return nil
	}))})
	f := openFolder(t, s, ann, "")
	shown.Store(f)
	must(t, deliver(t, s, letter))
	shown.Store(nil)
	same(t, early.Load(), false)
	same(t, len(openFolder(t, openTest(t, Options{FS: crashed.Load()}), ann, "").UIDs()), 0)
}

// A full disk or a sync that fails acknowledges nothing, then or later; the store says so and nothing hangs.
func TestFailedWriteAcknowledgesNothing(t *testing.T) {
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
		for _, at := range []func(errorfs.Op) bool{isLogSync, isLogWrite} {
			disk := vfs.NewCrashableMem()
			s, armed := failing(t, disk, cause, at)
			must(t, deliver(t, s, letter))
			f := openFolder(t, s, ann, "")
			armed.Store(true)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			_, err := s.Deliver(ctx, Delivery{Content: []byte(letter), Copies: []Copy{{Account: ann}}})
			wantErr(t, err, ErrFailed)
			<-s.Failed()
			armed.Store(false) // the disk is well again, the store is not: what the sync lost is unknown
			_, _, appending := s.Append(ctx, ann, "", []byte(letter), Flags{}, noon)
			_, expunging := f.Expunge(ctx, []uint32{1})
			_, _, flagging := f.SetFlags(ctx, []uint32{1}, SetFlags, Flags{System: Seen}, 0)
			_, reading := f.Content(ctx, 1)
			_, listing := s.Folders(ctx, ann)
			_, opening := s.OpenFolder(ctx, ann, "")
			for _, err := range []error{s.Err(), f.Err(), appending, expunging, flagging, reading, listing, opening, s.Add(ctx, "x@example.com", 0)} {
				if !errors.Is(err, ErrFailed) || !errors.Is(err, cause) {
					t.Errorf("a call after the failure returned %v", err)
				}
			}
			cancel()
			must(t, s.Close())
			s = openTest(t, Options{FS: powerLoss(disk)})
			same(t, len(openFolder(t, s, ann, "").UIDs()), 1)
			checkStore(t, s)
		}
	}
}

// The disk fills up while the log is changed for a new one, where Pebble would panic.
func TestDiskFullAtANewLog(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s, armed := failing(t, disk, syscall.ENOSPC, func(op errorfs.Op) bool {
		return isLog(op) && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite)
	})
	armed.Store(true)
	acknowledged := 0
	content := []byte(strings.Repeat("x", 100<<10))
	for {
		if _, err := s.Deliver(t.Context(), Delivery{Content: content, Copies: []Copy{{Account: ann}}}); err != nil {
			wantErr(t, err, ErrFailed)
			break
		}
		acknowledged++
	}
	s = openTest(t, Options{FS: powerLoss(disk)})
	if n := len(openFolder(t, s, ann, "").UIDs()); n < acknowledged || acknowledged < 5 {
		t.Errorf("%d of %d acknowledged messages are there", n, acknowledged)
	}
	checkStore(t, s)
}

// While no table can be written (a full disk, with a log that still has room) writes wait; they end with their
// context and go on when there is room.
func TestDiskFullForTables(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s, armed := failing(t, disk, syscall.ENOSPC, func(op errorfs.Op) bool {
		return strings.HasSuffix(op.Path, ".sst") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite
	})
	armed.Store(true)
	content := []byte(strings.Repeat("x", 200<<10))
	ctx, cancel := context.WithCancel(t.Context())
	delivered := make(chan int)
	go func() {
		n := 0
		for range 100 {
			if _, err := s.Deliver(context.Background(), Delivery{Content: content, Copies: []Copy{{Account: ann}}}); err != nil {
				break
			}
			n++
		}
		delivered <- n
	}()
	for s.db.Metrics().MemTable.Count < memTables { // all are full
		time.Sleep(time.Millisecond)
	}
	cancel()
	if _, err := s.Deliver(ctx, Delivery{Content: content, Copies: []Copy{{Account: ann}}}); err != nil {
		wantErr(t, err, context.Canceled)
	}
	armed.Store(false)
	same(t, <-delivered, 100)
	must(t, deliver(t, s, letter))
	checkStore(t, s)
}

// A deleted folder's messages are reclaimed after a crash as well.
func TestCrashDuringASweep(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := withAnn(t, Options{FS: disk})
	for i := range 3 * sweepAtOnce {
		_, err := s.Deliver(t.Context(), Delivery{Content: []byte(fmt.Sprintf("Subject: %d\r\n\r\n", i)), Copies: []Copy{
			{Account: ann, Folder: "Junk"}, {Account: bob},
		}})
		must(t, err)
	}
	must(t, s.Remove(t.Context(), bob))
	var crashes []*vfs.MemFS
	must(t, s.DeleteFolder(t.Context(), ann, "Junk"))
	for range 5 {
		crashes = append(crashes, powerLoss(disk))
		must(t, s.view(t.Context(), func() error { return nil })) // between two batches
	}
	for _, disk := range crashes {
		s := openTest(t, Options{FS: disk})
		must(t, s.sweepOnce(t.Context()))
		checkStore(t, s)
		a, err := s.Account(ann)
		must(t, err)
		same(t, a.Bytes+stored(t, s), int64(0))
	}
}

func TestDamageIsAnErrorOfOpen(t *testing.T) {
	disk := vfs.NewMem()
	s := withAnn(t, Options{FS: disk})
	must(t, deliver(t, s, letter))
	must(t, s.Close()) // into a table
	names, err := disk.List("mailbox")
	must(t, err)
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		info, err := disk.Stat("mailbox/" + name)
		must(t, err)
		f, err := disk.Create("mailbox/"+name, vfs.WriteCategoryUnspecified)
		must(t, err)
		_, err = f.Write(make([]byte, info.Size()))
		must(t, err)
		must(t, f.Close())
	}
	_, err = Open(Options{Dir: "mailbox", FS: disk})
	if err == nil || !strings.Contains(err.Error(), "restore the newest backup") {
		t.Errorf("told %v", err)
	}
}

// What was expunged leaves the disk.
func TestSpaceIsGivenBack(t *testing.T) {
	s := withAnn(t, Options{})
	content := make([]byte, 100<<10)
	x := uint32(1)
	for i := range content { // does not compress
		x = x*1664525 + 1013904223
		content[i] = byte(x>>24) | 1
	}
	for range 200 {
		must(t, deliver(t, s, string(content)))
	}
	f := openFolder(t, s, ann, "")
	must(t, s.contain(s.db.Flush))
	_, err := f.Expunge(t.Context(), f.UIDs()[1:])
	must(t, err)
	must(t, s.contain(s.db.Flush))
	must(t, s.reclaimOnce(t.Context(), 1<<20))
	m := s.db.Metrics()
	if size := m.Total().TablesSize; size > 2<<20 {
		t.Errorf("the tables have %d bytes for %d of mail", size, stored(t, s))
	}
	same(t, len(contentOf(t, f, 1)) > len(content), true)
}
