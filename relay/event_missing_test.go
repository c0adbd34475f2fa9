package relay

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// lineOf is the line of an event.
func lineOf(n int) []byte {
	e := numbered(n)
	return appendEventJSON(nil, &e)
}

// missingNumbers asks the log at path which of these events it lacks.
func missingNumbers(t *testing.T, l *EventLog, numbers ...int) []int {
	t.Helper()
	var texts [][]byte
	for _, n := range numbers {
		texts = append(texts, lineOf(n))
	}
	missing, err := l.missing(texts)
	if err != nil {
		t.Fatal(err)
	}
	return numbersIn(missing)
}

// Lines are found wherever a rotation has left them; what is not there is missing, in its order, as often as it is
// not there.
func TestMissingLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	opt := EventLogOptions{Path: path, MaxBytes: 300, MaxAge: -1}
	l := openLog(t, opt)
	for n := 1; n <= 8; n++ {
		put(t, l, n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".1"); err != nil { // by another program
		t.Fatal(err)
	}
	l = openLog(t, opt)
	put(t, l, 9)
	if got := missingNumbers(t, l, upTo(9)...); got != nil {
		t.Errorf("missing %v", got)
	}
	if got := missingNumbers(t, l, 12, 3, 10, 9, 9, 10); !slices.Equal(got, []int{12, 10, 9, 10}) {
		t.Errorf("missing %v", got)
	}
	for _, p := range []string{path, path + ".1"} {
		if err := os.Remove(p); err != nil {
			t.Fatal(err)
		}
	}
	if got := missingNumbers(t, l, 8, 9); !slices.Contains(got, 9) {
		t.Errorf("missing %v after the log was deleted", got)
	}
	if got := missingNumbers(t, openLog(t, EventLogOptions{}), 1, 2); got != nil {
		t.Errorf("missing %v without a log", got)
	}
}

// A line that is torn, or has zeros in it, is missing.
func TestMissingTornLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	data := slices.Concat(lineOf(1), bytes.Repeat([]byte{0}, 20), lineOf(2), bytes.Repeat([]byte("x"), 2*maxEventLine), []byte("\n"), lineOf(3), lineOf(4)[:30])
	if err := os.WriteFile(path, data, 0o640); err != nil {
		t.Fatal(err)
	}
	l := openLog(t, EventLogOptions{Path: path})
	if got := missingNumbers(t, l, 1, 2, 3, 4); !slices.Equal(got, []int{2, 4}) {
		t.Errorf("missing %v", got)
	}
}

// A power failure can leave zeros where the end of the log was.
func TestZerosAtTheEndAreCut(t *testing.T) {
	for _, zeros := range []int{1, 5000, 200_000} {
		for _, torn := range []int{0, 30} {
			path := filepath.Join(t.TempDir(), "events.jsonl")
			data := slices.Concat(lineOf(1), lineOf(2)[:torn], make([]byte, zeros))
			if err := os.WriteFile(path, data, 0o640); err != nil {
				t.Fatal(err)
			}
			l := openLog(t, EventLogOptions{Path: path})
			put(t, l, 3)
			want := []int{1, 3}
			if torn > 0 {
				want = []int{1, -1, 3}
			}
			if got := readNumbers(t, path); !slices.Equal(got, want) {
				t.Errorf("%d zeros after %d bytes: %v", zeros, torn, got)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(path, make([]byte, 100_000), 0o640); err != nil {
		t.Fatal(err)
	}
	put(t, openLog(t, EventLogOptions{Path: path}), 1)
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, lineOf(1)) {
		t.Errorf("nothing but zeros became %q, %v", got, err)
	}
}
