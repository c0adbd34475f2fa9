package queue

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/posthaste-mta/posthaste/message"
)

// notesLeft returns the texts of the notes that earlier processes have left.
func notesLeft(t *testing.T, q *Queue) string {
	t.Helper()
	left, err := q.Notes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, n := range left {
		texts = append(texts, string(n.Text))
	}
	return strings.Join(texts, " ")
}

// settleNoted delivers the next mail with a note.
func settleNoted(t *testing.T, q *Queue, text string) NoteID {
	t.Helper()
	id, err := q.SettleNoted(context.Background(), []Settlement{all(nextLease(t, q), message.Delivered)}, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Wherever a settlement is cut off, its note is there if and only if it has happened.
func TestCrashAroundANote(t *testing.T) {
	disk := vfs.NewCrashableMem()
	var crashes []*vfs.MemFS
	var armed atomic.Bool
	q := crashAt(t, disk, func(op errorfs.Op) error {
		if armed.Load() && (isLogWrite(op) || isLogSync(op)) {
			crashes = append(crashes, powerLoss(disk))
		}
		return nil
	})
	putTest(t, q, "hello\r\n", "a@one.test")
	armed.Store(true)
	settleNoted(t, q, "told")
	armed.Store(false)
	crashes = append(crashes, powerLoss(disk))
	for i, d := range crashes {
		q := openTest(t, Options{FS: d})
		if left, n := notesLeft(t, q), queued(t, q); (left == "told") != (n == 0) {
			t.Errorf("crash %d of %d: %d recipients queued, notes %q", i, len(crashes), n, left)
		}
	}
	if q := openTest(t, Options{FS: powerLoss(disk)}); queued(t, q) != 0 {
		t.Error("the settlement was lost")
	}
}

// Notes come back in their order until they are dropped; a process does not see its own. To drop them costs no
// sync, so a power failure may undo it until there is one for something else.
func TestNotesAreDropped(t *testing.T) {
	disk := vfs.NewCrashableMem()
	var syncs atomic.Int64
	q := crashAt(t, disk, func(op errorfs.Op) error {
		if isLogSync(op) {
			syncs.Add(1)
		}
		return nil
	})
	var ids []NoteID
	for n := range 12 {
		putTest(t, q, "hello\r\n", "a@one.test")
		ids = append(ids, settleNoted(t, q, fmt.Sprint(n)))
	}
	if left := notesLeft(t, q); left != "" {
		t.Errorf("its own notes: %q", left)
	}
	before := syncs.Load()
	if err := q.DropNotes(context.Background(), ids[:9]); err != nil {
		t.Fatal(err)
	}
	if n := syncs.Load() - before; n != 0 {
		t.Errorf("%d syncs", n)
	}
	if left := notesLeft(t, openTest(t, Options{FS: powerLoss(disk)})); !strings.HasSuffix(left, "9 10 11") {
		t.Errorf("notes %q", left)
	}
	putTest(t, q, "hello\r\n", "a@one.test")
	after := powerLoss(disk)
	q = openTest(t, Options{FS: after})
	if left := notesLeft(t, q); left != "9 10 11" {
		t.Errorf("notes %q", left)
	}
	if id := settleNoted(t, q, "12"); id <= ids[11] {
		t.Errorf("note %d after %d", id, ids[11])
	}
	if left := notesLeft(t, q); left != "9 10 11" {
		t.Errorf("notes %q", left)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if left := notesLeft(t, openTest(t, Options{FS: after})); left != "9 10 11 12" {
		t.Errorf("notes %q", left)
	}
}

// A damaged note is put aside; the others and the mail are not touched, and Verify tells of it while it is there.
func TestDamagedNote(t *testing.T) {
	disk := vfs.NewCrashableMem()
	q := openTest(t, Options{FS: disk})
	putTest(t, q, "hello\r\n", "a@one.test", "b@two.test")
	spoil(t, q, noteKey(settleNoted(t, q, "damaged")))
	settleNoted(t, q, "good")
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if report, err := verify(context.Background(), disk, "queue"); err != nil || report.ProblemCount != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	q = openTest(t, Options{FS: disk})
	if left := notesLeft(t, q); left != "good" {
		t.Errorf("notes %q", left)
	}
	if n := queued(t, q); n != 0 {
		t.Errorf("%d recipients are queued", n)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := verify(context.Background(), disk, "queue")
	if err != nil || report.ProblemCount != 0 || report.Aside != 0 {
		t.Errorf("%+v, %v", report, err)
	}
}
