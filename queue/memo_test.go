package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/posthaste-mta/posthaste/message"
)

func memosOf(q *Queue) string {
	var out []string
	all := q.Memos()
	for _, key := range slices.Sorted(maps.Keys(all)) {
		out = append(out, key+"="+string(all[key]))
	}
	return strings.Join(out, " ")
}

// A memo rides with the next batch of mail, or with an orderly end, and a crash before costs the memo alone.
func TestMemoRidesWithMail(t *testing.T) {
	disk := vfs.NewCrashableMem()
	q := openTest(t, Options{FS: disk})
	set := func(key, value string) {
		t.Helper()
		if err := q.SetMemo(key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	restarted := func(disk vfs.FS, want string) {
		t.Helper()
		if got := memosOf(openTest(t, Options{FS: disk})); got != want {
			t.Errorf("memos %q, want %q", got, want)
		}
	}
	set("a", "1")
	set("b", "1")
	restarted(powerLoss(disk), "")
	putTest(t, q, "hello\r\n", "a@one.test")
	restarted(powerLoss(disk), "a=1 b=1")
	set("a", "2")
	q.DropMemo("b")
	q.DropMemo("never there")
	set("c", "")
	if got := memosOf(q); got != "a=2 c=" {
		t.Errorf("memos %q", got)
	}
	restarted(powerLoss(disk), "a=1 b=1")
	settleTest(t, q, nextLease(t, q), message.Delivered)
	restarted(powerLoss(disk), "a=2 c=")
	set("b", "3")
	q.DropMemo("a")
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	restarted(disk, "b=3 c=")
	if report, err := verify(context.Background(), powerLoss(disk), "queue"); err != nil || report.ProblemCount > 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// There is an end to them, and room again when some have gone; what is set and dropped leaves nothing.
func TestMemosAreBounded(t *testing.T) {
	q := openTest(t, Options{})
	for i := range maxMemos {
		if err := q.SetMemo(fmt.Sprint(i), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	full := func(key string, size int) {
		t.Helper()
		if err := q.SetMemo(key, make([]byte, size)); !errors.Is(err, errMemo) {
			t.Errorf("one more: %v", err)
		}
	}
	full("more", 1)
	full("7", maxMemo+1)
	if err := q.SetMemo("7", []byte("y")); err != nil {
		t.Errorf("another value: %v", err)
	}
	q.DropMemo("7")
	if err := q.SetMemo("8", nil); err != nil {
		t.Error(err)
	}
	if err := q.SetMemo("more", []byte("x")); err != nil {
		t.Errorf("in place of another: %v", err)
	}
	for key := range q.Memos() {
		q.DropMemo(key)
	}
	for i := range maxMemoBytes / (maxMemo + 4) {
		if err := q.SetMemo(fmt.Sprintf("%4d", i), make([]byte, maxMemo)); err != nil {
			t.Fatalf("the %d. of the largest: %v", i, err)
		}
	}
	full("last", maxMemo)
	m := q.committer.memos
	for key := range q.Memos() {
		q.DropMemo(key)
	}
	if len(m.all)+len(m.dirty)+m.count+m.bytes != 0 {
		t.Errorf("left: %d, %d to write, %d of %d bytes", len(m.all), len(m.dirty), m.count, m.bytes)
	}
}

// A damaged memo is told by Verify, and dropped at Open for good.
func TestDamagedMemo(t *testing.T) {
	disk := vfs.NewCrashableMem()
	q := openTest(t, Options{FS: disk})
	for _, key := range []string{"good", "bad"} {
		if err := q.SetMemo(key, []byte("value")); err != nil {
			t.Fatal(err)
		}
	}
	putTest(t, q, "hello\r\n", "a@one.test")
	if err := q.store.Set(memoKey("bad"), []byte("xxxxvalue"), nil); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := verify(context.Background(), powerLoss(disk), "queue")
	if err != nil || report.ProblemCount != 1 || !strings.Contains(report.Problems[0], "memo") {
		t.Errorf("%+v, %v", report, err)
	}
	for range 2 { // the first start removes it
		q = openTest(t, Options{FS: disk})
		if got := memosOf(q); got != "good=value" {
			t.Errorf("memos %q", got)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if report, err := verify(context.Background(), powerLoss(disk), "queue"); err != nil || report.ProblemCount > 0 {
		t.Errorf("%+v, %v", report, err)
	}
}
