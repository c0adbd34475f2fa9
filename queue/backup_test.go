package queue

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/posthaste-mta/posthaste/message"
)

// A backup of a working queue holds what was acknowledged before, passes Verify, and is a queue.
func TestBackupAndVerify(t *testing.T) {
	dir := t.TempDir()
	q := openTest(t, Options{Dir: filepath.Join(dir, "queue")})
	fillForOperators(t, q)
	if _, err := q.Hold(context.Background(), Filter{Domain: "three.test"}, nil); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(dir, "backup")
	if err := q.Backup(backup); err != nil {
		t.Fatal(err)
	}
	settleTest(t, q, nextLease(t, q), message.Delivered) // not in the backup
	if err := q.Backup(backup); err == nil {
		t.Error("a backup overwrote another")
	}
	report, err := Verify(context.Background(), backup)
	if err != nil || report.ProblemCount != 0 || report.Messages != 5 || report.Recipients != 7 {
		t.Fatalf("%+v, %v", report, err)
	}
	restored := openTest(t, Options{Dir: backup})
	if n := queued(t, restored); n != 7 {
		t.Errorf("%d recipients in the backup", n)
	}
	if _, err := Verify(context.Background(), filepath.Join(dir, "queue")); err == nil {
		t.Error("a queue in use was verified")
	}
	if _, err := Verify(context.Background(), filepath.Join(dir, "nothing")); err == nil {
		t.Error("a folder that is not there was verified")
	}
}

// Verify names what is wrong.
func TestVerifyFindsProblems(t *testing.T) {
	problems := map[string]func(*Queue, message.ID) error{
		"has no content": func(q *Queue, id message.ID) error {
			return q.store.SingleDelete(idKey(spaceContent, id), nil)
		},
		"has no envelope": func(q *Queue, id message.ID) error {
			return q.store.SingleDelete(idKey(spaceEnvelope, id), nil)
		},
		"has ended and is still queued": func(q *Queue, id message.ID) error {
			return q.store.SingleDelete(liveKey(ticket{id, 1}), nil)
		},
		"the counters say": func(q *Queue, id message.ID) error {
			c := counters{accepted: 2, queued: 3, messages: 1, bytes: 7}
			return q.store.Set(countersKey(), c.appendRecord(nil), nil)
		},
		"does not match its checksum": func(q *Queue, id message.ID) error {
			return q.store.Set(idKey(spaceContent, id), []byte("xxxxhello"), nil)
		},
	}
	for want, spoil := range problems {
		dir := t.TempDir()
		q := openTest(t, Options{Dir: dir})
		id := putTest(t, q, "hello\r\n", "a@one.test", "b@two.test")
		if err := spoil(q, id); err != nil {
			t.Fatal(err)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		report, err := Verify(context.Background(), dir)
		if err != nil || report.ProblemCount == 0 || !strings.Contains(strings.Join(report.Problems, "\n"), want) {
			t.Errorf("%s: %+v, %v", want, report, err)
		}
	}
}

// A file that cannot be opened is named, with what to do.
func TestOpenNamesTheDamagedFile(t *testing.T) {
	dir := t.TempDir()
	q := openTest(t, Options{Dir: dir})
	for range 20 {
		putTest(t, q, strings.Repeat("hello\r\n", 1000), "a@one.test")
	}
	crashed := filepath.Join(t.TempDir(), "crashed")
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	dir = crashed
	logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, name := range logs {
		data, err := os.ReadFile(name)
		if err != nil || len(data) < 5000 {
			continue
		}
		data[3000] ^= 1
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Open(Options{Dir: dir, Memory: minMemory})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), ".log") || !strings.Contains(err.Error(), "backup") {
		t.Errorf("Open returned %v", err)
	}
}

// Where the copy is to go may be full. The queue works on.
func TestBackupToAFullDisk(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpCreate, errorfs.OpFileWrite} {
		q := openTest(t, Options{FS: errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == kind && strings.HasPrefix(op.Path, "backup") && strings.HasSuffix(op.Path, ".log") {
				return syscall.ENOSPC
			}
			return nil
		}))})
		putTest(t, q, "before\r\n", "a@one.test")
		if err := q.Backup("backup"); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%v: %v", kind, err)
		}
		putTest(t, q, "after\r\n", "a@one.test")
	}
}
