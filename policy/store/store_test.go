package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func openTest(t *testing.T, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open(Options{Dir: "policy", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func set(t Table, key, value string) Change {
	return Change{Table: t, Key: []byte(key), Value: []byte(value)}
}

func apply(t *testing.T, s *Store, durable bool, changes ...Change) {
	t.Helper()
	if err := s.Apply(t.Context(), durable, changes...); err != nil {
		t.Fatal(err)
	}
}

// all returns the records of a table as "key=value".
func all(t *testing.T, s *Store, table Table, prefix string) []string {
	t.Helper()
	var found []string
	for e, err := range s.Scan(table, []byte(prefix)) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, string(e.Key)+"="+string(e.Value))
	}
	return found
}

func TestTablesAreApart(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	apply(t, s, true, set(Users, "anna", "1"), set(Keys, "anna", "2"), set(Keys, "anne", ""), set(Keys, "bert", "4"))
	apply(t, s, false, set(Keys, "anna", "3"), Change{Table: Users, Key: []byte("nobody")})
	if diff := cmp.Diff([]string{"anna=3", "anne="}, all(t, s, Keys, "ann")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"anna=1"}, all(t, s, Users, "")); diff != "" {
		t.Error(diff)
	}
	if v, err := s.Get(Keys, []byte("anne")); v == nil || len(v) > 0 || err != nil {
		t.Errorf("an empty value came back as %v, %v", v, err)
	}
	apply(t, s, true, Change{Table: Keys, Key: []byte("anne")})
	if _, err := s.Get(Keys, []byte("anne")); !errors.Is(err, ErrNotFound) {
		t.Errorf("a removed key: %v", err)
	}
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	s := openTest(t, vfs.NewMem())
	apply(t, s, false, set(Keys, "a", ""))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
}

func TestScanSeesWhatWasThereAtItsBeginning(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	var changes []Change
	for i := range 1000 {
		changes = append(changes, set(Keys, fmt.Sprintf("%04d", i), strings.Repeat("x", i)))
	}
	apply(t, s, false, changes...)
	n := 0
	for e, err := range s.ScanFrom(Keys, nil, []byte("0100")) {
		if err != nil || string(e.Key) != fmt.Sprintf("%04d", 100+n) || len(e.Value) != 100+n {
			t.Fatalf("record %d is %s, %v", n, e.Key, err)
		}
		apply(t, s, false, Change{Table: Keys, Key: e.Key}, set(Keys, "9"+string(e.Key), ""))
		n++
	}
	if n != 900 {
		t.Errorf("%d records", n)
	}
}

func TestCloseEndsAScan(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	for i := range 100 {
		apply(t, s, false, set(Keys, fmt.Sprint(i), ""))
	}
	closed := make(chan error)
	var last error
	n := 0
	for _, err := range s.Scan(Keys, nil) {
		if n++; n == 1 {
			go func() { closed <- s.Close() }()
			for !s.isClosing() {
				runtime.Gosched()
			}
		}
		last = err
	}
	if !errors.Is(last, ErrClosed) || n > 50 {
		t.Errorf("%v after %d steps", last, n)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	_, get := s.Get(Keys, []byte("1"))
	_, count := s.Count(t.Context(), Keys)
	for _, err := range []error{get, count, s.Apply(t.Context(), true), s.Backup("x")} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

func TestCountIsExact(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s, err := Open(Options{Dir: "policy", FS: vfs.NewMem()})
		if err != nil {
			r.Fatal(err)
		}
		defer s.Close()
		model := map[string]bool{}
		for range rapid.IntRange(1, 10).Draw(r, "batches") {
			var changes []Change
			for range rapid.IntRange(0, 5).Draw(r, "changes") {
				c := Change{Table: Triplets, Key: []byte{byte(rapid.IntRange(0, 9).Draw(r, "key"))}}
				if rapid.Bool().Draw(r, "set") {
					c.Value = []byte{}
				}
				changes = append(changes, c, set(Clients, fmt.Sprint(len(changes)), ""))
				delete(model, string(c.Key))
				if c.Value != nil {
					model[string(c.Key)] = true
				}
			}
			if err := s.Apply(context.Background(), false, changes...); err != nil {
				r.Fatal(err)
			}
			if n, err := s.Count(context.Background(), Triplets); err != nil || n != int64(len(model)) {
				r.Fatalf("%d keys counted, there are %d: %v", n, len(model), err)
			}
		}
	})
}

func TestASecondProcessIsToldThatTheStoreIsInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "policy")
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(Options{Dir: dir})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "is the daemon running?") {
		t.Errorf("told %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(Options{Dir: dir}) // Close has let it go
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLockedByAnother(t *testing.T) {
	disk := vfs.NewMem() // its lock answers as that of the system does to another process
	openTest(t, disk)
	if _, err := Open(Options{Dir: "policy", FS: disk}); !errors.Is(err, ErrLocked) {
		t.Errorf("told %v", err)
	}
}

func TestOpenNamesTheFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: file}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("told %v", err)
	}
}

func TestBackupIsAStore(t *testing.T) {
	disk := vfs.NewMem()
	s := openTest(t, disk)
	apply(t, s, false, set(Keys, "a", "1"))
	if err := s.Backup("backup"); err != nil {
		t.Fatal(err)
	}
	apply(t, s, true, set(Keys, "a", "2"))
	b, err := Open(Options{Dir: "backup", FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if v, err := b.Get(Keys, []byte("a")); string(v) != "1" {
		t.Errorf("%q, %v", v, err)
	}
}

// Where the copy is to go may be full. The store works on.
func TestBackupToAFullDisk(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpCreate, errorfs.OpFileWrite} {
		s := openTest(t, errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == kind && strings.HasPrefix(op.Path, "backup") && strings.HasSuffix(op.Path, ".log") {
				return syscall.ENOSPC
			}
			return nil
		})))
		apply(t, s, true, set(Keys, "a", "1"))
		if err := s.Backup("backup"); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%v: %v", kind, err)
		}
		apply(t, s, true, set(Keys, "a", "2"))
	}
}
