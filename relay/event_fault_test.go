package relay

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// faultyFile is a file in memory that fails on demand and knows what a power failure would leave.
type faultyFile struct {
	mu     sync.Mutex
	data   []byte
	synced int // what survives
	// writeRoom is how many bytes the next writes take before ENOSPC; negative: no limit.
	writeRoom int
	syncFails bool
	truncated int
}

func (f *faultyFile) open(string) (eventFile, int64, time.Time, error) {
	return f, int64(len(f.data)), time.Time{}, nil
}

// room sets how many bytes the next writes take.
func (f *faultyFile) room(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writeRoom = n
}

func (f *faultyFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(p)
	if f.writeRoom >= 0 {
		n = min(n, f.writeRoom)
		f.writeRoom -= n
	}
	f.data = append(f.data, p[:n]...)
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// Datasync fails as Linux does: what was to be synced is thrown away, and the next sync of the same
// pages succeeds.
func (f *faultyFile) Datasync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.syncFails {
		f.syncFails = false
		for i := f.synced; i < len(f.data); i++ {
			f.data[i] = 0
		}
		return syscall.EIO
	}
	f.synced = len(f.data)
	return nil
}

func (f *faultyFile) Truncate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.truncated++
	f.data = f.data[:size]
	f.synced = min(f.synced, int(size))
	return nil
}

func (f *faultyFile) Size() (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(len(f.data)), nil
}

func (f *faultyFile) Close() error { return nil }

// safe returns what would survive now.
func (f *faultyFile) safe() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.data[:f.synced])
}

// openFaulty opens a log on f whose background flush never comes.
func openFaulty(t testing.TB, f *faultyFile, opt EventLogOptions) *EventLog {
	t.Helper()
	opt.Path, opt.open, opt.FlushInterval = "events.jsonl", f.open, time.Hour
	opt.MaxBytes, opt.MaxAge = -1, -1
	l, err := OpenEventLog(opt)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// numbered is an event that can be told from all others by its size.
func numbered(n int) Event {
	return Event{Type: EventDelivered, ID: sampleID(0), Timestamp: sampleStart, Size: int64(n), Recipient: "a@b.test"}
}

// numbersIn reads the events' numbers back; a line that is none of ours is -1.
func numbersIn(data []byte) (numbers []int) {
	for line := range strings.Lines(string(data)) {
		e, err := ParseEvent([]byte(line))
		if err != nil {
			numbers = append(numbers, -1)
			continue
		}
		numbers = append(numbers, int(e.Size))
	}
	return numbers
}

func TestDiskFullThenRoomAgain(t *testing.T) {
	f := &faultyFile{writeRoom: 100} // not a whole line
	l := openFaulty(t, f, EventLogOptions{})
	defer l.Close()
	if err := l.Append([]Event{numbered(1), numbered(2)}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := l.Flush(); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("flush on a full disk: %v", err)
		}
	}
	if err := l.Append([]Event{numbered(3)}); err != nil {
		t.Fatal(err)
	}
	f.writeRoom = -1
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := numbersIn(f.data); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("lines %v", got)
	}
	if m := l.Metrics(); m.Errors != 3 || m.Buffered != 0 || m.Bytes != int64(len(f.data)) {
		t.Errorf("metrics %+v for %d bytes", m, len(f.data))
	}
}

// A failed sync loses the pages, so the batch is written anew, in its old place.
func TestFailedSyncWritesAgain(t *testing.T) {
	f := &faultyFile{writeRoom: -1}
	l := openFaulty(t, f, EventLogOptions{})
	defer l.Close()
	for n := 1; n <= 3; n++ {
		f.syncFails = n == 2
		if err := l.Append([]Event{numbered(n)}); err != nil {
			t.Fatal(err)
		}
		err := l.Sync()
		if n == 2 && !errors.Is(err, syscall.EIO) || n != 2 && err != nil {
			t.Fatalf("sync %d: %v", n, err)
		}
	}
	if got := numbersIn(f.data[:f.synced]); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("lines %v", got)
	}
}

// Somebody else writes to the file: nothing of theirs is cut off.
func TestFailedSyncCutsOnlyOurOwn(t *testing.T) {
	f := &faultyFile{writeRoom: -1, syncFails: true}
	l := openFaulty(t, f, EventLogOptions{})
	defer l.Close()
	if err := l.Append([]Event{numbered(1)}); err != nil {
		t.Fatal(err)
	}
	if err := l.Sync(); err == nil {
		t.Fatal("no error")
	}
	f.data = append(f.data, "theirs\n"...)
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	if f.truncated != 0 || !strings.Contains(string(f.data), "theirs") {
		t.Errorf("after %d cuts: %q", f.truncated, f.data)
	}
	if got := numbersIn(f.data); got[len(got)-1] != 1 {
		t.Errorf("lines %v", got)
	}
}

func TestFullBufferRefusesAllOfAnAppend(t *testing.T) {
	f := &faultyFile{}
	l := openFaulty(t, f, EventLogOptions{BufferBytes: 1000})
	defer l.Close()
	taken := 0
	var err error
	for taken < 1000 {
		if err = l.Append([]Event{numbered(taken), numbered(taken + 1)}); err != nil {
			break
		}
		taken += 2
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("after %d events: %v", taken, err)
	}
	f.writeRoom = -1
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := numbersIn(f.data); len(got) != taken || slices.Contains(got, -1) {
		t.Errorf("%d lines for %d events: %v", len(got), taken, got)
	}
}

// Any history of appends, flushes, syncs and faults, and a power failure at the end: what a Sync has
// vouched for is there, in order, each line once, whatever else is there.
func TestNoLineLostOrDoubled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &faultyFile{writeRoom: -1}
		opt := EventLogOptions{BufferBytes: 2000, Path: "events.jsonl", open: f.open,
			FlushInterval: time.Hour, MaxBytes: -1, MaxAge: -1}
		l, err := OpenEventLog(opt)
		if err != nil {
			t.Fatal(err)
		}
		appended, safe := 0, 0
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				batch := make([]Event, rapid.IntRange(1, 6).Draw(t, "batch"))
				for i := range batch {
					batch[i] = numbered(appended + i + 1)
				}
				if err := l.Append(batch); err == nil {
					appended += len(batch)
				}
			case 1:
				if err := l.Sync(); err == nil {
					safe = appended
				}
			case 2:
				f.writeRoom = rapid.SampledFrom([]int{-1, 0, 10, 500}).Draw(t, "room")
			case 3:
				f.syncFails = true
			case 4:
				_ = l.Flush() // as well as it can
			}
		}
		survived := f.data[:rapid.IntRange(f.synced, len(f.data)).Draw(t, "unsynced pages kept")]
		checkNumbers(t, survived, safe, appended)

		f.writeRoom, f.syncFails = -1, false
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		checkNumbers(t, f.data, appended, appended)
	})
}

// checkNumbers wants 1 to at least safe, then perhaps a torn line.
func checkNumbers(t *rapid.T, data []byte, safe, appended int) {
	got := numbersIn(data)
	for i, n := range got {
		if n != i+1 && i < safe {
			t.Fatalf("line %d is event %d, with %d safe", i+1, n, safe)
		}
	}
	if len(got) < safe || len(got) > appended+1 {
		t.Fatalf("%s lines for %d to %d events", strconv.Itoa(len(got)), safe, appended)
	}
}
