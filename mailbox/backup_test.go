package mailbox

import (
	"errors"
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
