package mailbox

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// A copy that is made while mail comes in is a store with all that was acknowledged before.
func TestBackupIsAStore(t *testing.T) {
	fs := vfs.NewMem()
	s := withAnn(t, Options{FS: fs})
	deliver := func(id, content string) {
		t.Helper()
		errs, err := s.Deliver(t.Context(), Delivery{ID: id, Content: []byte(content), Copies: []Copy{{Account: ann, Key: ann}, {Account: bob, Key: bob}}})
		must(t, errors.Join(append(errs, err)...))
	}
	deliver("1", "Subject: one\r\n\r\nhello\r\n")
	must(t, s.Backup("copy"))
	deliver("2", "Subject: two\r\n\r\nhello\r\n")
	if err := s.Backup("copy"); err == nil {
		t.Error("a copy over another")
	}
	if r, err := verify(t.Context(), fs, "copy"); err != nil || r.ProblemCount != 0 || r.Messages != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	c := openTest(t, Options{FS: fs, Dir: "copy"})
	for account, content := range map[string]string{ann: "Subject: one\r\n\r\nhello\r\n", bob: "Subject: one\r\n\r\nhello\r\n"} {
		f, err := c.OpenFolder(t.Context(), account, "INBOX")
		must(t, err)
		uids := f.UIDs()
		if len(uids) != 1 {
			t.Fatalf("%s has %v", account, uids)
		}
		if got, err := f.Content(t.Context(), uids[0]); err != nil || string(got) != content {
			t.Errorf("%s: %q, %v", account, got, err)
		}
		f.Close()
	}
	must(t, s.Close())
	if err := s.Backup("more"); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// Where the copy is to go may be full, whatever it meets first. The store works on.
func TestBackupToAFullDisk(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpOpenDir} {
		s, armed := failing(t, vfs.NewCrashableMem(), syscall.ENOSPC, func(op errorfs.Op) bool {
			return op.Kind == kind && strings.HasPrefix(op.Path, "copy") && (isLog(op) || kind == errorfs.OpOpenDir)
		})
		must(t, deliver(t, s, letter))
		armed.Store(true)
		if err := s.Backup("copy"); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%v: %v", kind, err)
		}
		must(t, deliver(t, s, letter))
		must(t, s.Err())
	}
}

// What has been delivered since the backup had UIDs that a restored store gives again: clients are told by UIDVALIDITY. A second
// start changes nothing.
func TestRestoredFoldersHaveNewValidities(t *testing.T) {
	fs := vfs.NewMem()
	s := withAnn(t, Options{FS: fs})
	for i := range 1000 { // more than one batch takes
		must(t, s.CreateFolder(t.Context(), ann, fmt.Sprintf("%0100d", i), NoUse))
	}
	must(t, deliver(t, s, letter))
	must(t, s.Backup("copy"))
	must(t, deliver(t, s, letter))
	before := map[string]uint32{}
	folders, err := s.Folders(t.Context(), ann)
	must(t, err)
	for _, info := range folders {
		before[info.Name] = info.Validity
	}
	must(t, s.Close())
	var validities []uint32
	for range 2 {
		c := openTest(t, Options{FS: fs, Dir: "copy"})
		after, err := c.Folders(t.Context(), ann)
		must(t, err)
		newest := uint32(0)
		for _, info := range after {
			newest = max(newest, info.Validity)
			if info.Validity <= before[info.Name] {
				t.Errorf("%s: %d, was %d", info.Name, info.Validity, before[info.Name])
			}
		}
		validities = append(validities, after[0].Validity)
		must(t, c.CreateFolder(t.Context(), ann, fmt.Sprint("new", len(validities)), NoUse))
		info, err := c.Status(t.Context(), ann, fmt.Sprint("new", len(validities)))
		must(t, err)
		if info.Validity <= newest {
			t.Errorf("a new folder has %d", info.Validity)
		}
		checkStore(t, c)
		must(t, c.Close())
	}
	same(t, validities[0], validities[1])
}
