package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func openLog(t testing.TB, opt EventLogOptions) *EventLog {
	t.Helper()
	l, err := OpenEventLog(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// put appends and flushes events with these numbers.
func put(t testing.TB, l *EventLog, numbers ...int) {
	t.Helper()
	var events []Event
	for _, n := range numbers {
		events = append(events, numbered(n))
	}
	if err := l.Append(events); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
}

// readNumbers reads the log back; a bad line is -1.
func readNumbers(t testing.TB, path string) (numbers []int) {
	t.Helper()
	for e, err := range ReadEvents(context.Background(), path, ReadOptions{}) {
		var bad *BadLineError
		switch {
		case errors.As(err, &bad):
			numbers = append(numbers, -1)
		case err != nil:
			t.Fatal(err)
		default:
			numbers = append(numbers, int(e.Size))
		}
	}
	return numbers
}

func upTo(n int) (numbers []int) {
	for i := 1; i <= n; i++ {
		numbers = append(numbers, i)
	}
	return numbers
}

// A crash tore the last line: it is ended, and the next event stands on its own.
func TestTornLineIsMended(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	put(t, openLog(t, EventLogOptions{Path: path}), 1, 2)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data[:len(data)-20], 0o640); err != nil {
		t.Fatal(err)
	}
	if got := readNumbers(t, path); !slices.Equal(got, []int{1}) {
		t.Errorf("torn: %v", got)
	}
	put(t, openLog(t, EventLogOptions{Path: path}), 3)
	if got := readNumbers(t, path); !slices.Equal(got, []int{1, -1, 3}) {
		t.Errorf("mended: %v", got)
	}
}

func TestOnlyARegularFile(t *testing.T) {
	if _, err := OpenEventLog(EventLogOptions{Path: os.DevNull}); err == nil {
		t.Error("the log would rotate a device")
	}
}

// The clock stands still, and then goes back: rotated files still have their order.
func TestRotationBySize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	now := sampleStart
	l := openLog(t, EventLogOptions{Path: path, MaxBytes: 300, MaxFiles: 3, MaxAge: -1,
		Now: func() time.Time { return now }})
	for n := 1; n <= 20; n++ {
		if n == 10 {
			now = now.Add(-time.Hour)
		}
		put(t, l, n)
	}
	rotated, err := rotatedEventFiles(path)
	if err != nil || len(rotated) != 3 {
		t.Fatalf("%d rotated files, %v", len(rotated), err)
	}
	got := readNumbers(t, path)
	if want := upTo(20)[20-len(got):]; len(got) < 6 || !slices.Equal(got, want) {
		t.Errorf("read back %v", got)
	}
	if m := l.Metrics(); m.Rotations < 6 {
		t.Errorf("metrics %+v", m)
	}
}

func TestRotationByAgeCountsOverRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	now := sampleStart
	opt := EventLogOptions{Path: path, MaxAge: 24 * time.Hour, Now: func() time.Time { return now }}
	for n := 1; n <= 5; n++ { // a restart every ten hours
		l := openLog(t, opt)
		put(t, l, n)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		now = now.Add(10 * time.Hour)
	}
	rotated, err := rotatedEventFiles(path)
	if err != nil || len(rotated) != 1 {
		t.Fatalf("%d rotated files, %v", len(rotated), err)
	}
	if got := readNumbers(t, path); !slices.Equal(got, upTo(5)) {
		t.Errorf("read back %v", got)
	}
}

// A rotation that cannot be done is reported once in a while, and the log grows on.
func TestRotationThatFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "events.jsonl")
	now := sampleStart
	var problems []error
	opens := 0
	opt := EventLogOptions{Path: path, MaxBytes: 1, Now: func() time.Time { return now },
		OnError: func(err error) { problems = append(problems, err) },
		open: func(path string) (eventFile, int64, time.Time, error) {
			if opens++; opens == 2 {
				return nil, 0, time.Time{}, errors.New("too many open files")
			}
			return openOSEventFile(path)
		}}
	l := openLog(t, opt)
	put(t, l, 1) // renamed, but the new file does not open
	put(t, l, 2) // still into the old one
	if len(problems) != 1 || !strings.Contains(problems[0].Error(), "too many open files") {
		t.Fatalf("reported %v", problems)
	}
	if got := readNumbers(t, path); !slices.Equal(got, upTo(2)) {
		t.Errorf("read back %v", got)
	}
	now = now.Add(rotateRetry)
	put(t, l, 3)
	put(t, l, 4)
	if got := readNumbers(t, path); !slices.Equal(got, upTo(4)) || len(problems) != 1 {
		t.Errorf("read back %v, reported %v", got, problems)
	}
}

func TestReopenAfterLogrotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	l := openLog(t, EventLogOptions{Path: path})
	put(t, l, 1)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Append([]Event{numbered(2)}); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	put(t, l, 3)
	if got := readNumbers(t, path+".1"); !slices.Equal(got, upTo(2)) {
		t.Errorf("old file %v", got)
	}
	if got := readNumbers(t, path); !slices.Equal(got, []int{3}) {
		t.Errorf("new file %v", got)
	}
}

// Sessions only append; their events are in the file within the interval, and an error then is told once.
func TestBackgroundFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &faultyFile{writeRoom: -1}
		var problems []error
		l := openLog(t, EventLogOptions{Path: "x", open: f.open, OnError: func(err error) { problems = append(problems, err) }})
		if err := l.Append([]Event{numbered(1)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(101 * time.Millisecond)
		synctest.Wait()
		if got := numbersIn(f.data); !slices.Equal(got, upTo(1)) {
			t.Fatalf("after the interval: %v", got)
		}
		f.room(0)
		if err := l.Append([]Event{numbered(2)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(problems) != 1 {
			t.Errorf("reported %v", problems)
		}
		f.room(-1)
		time.Sleep(101 * time.Millisecond)
		synctest.Wait()
		if got := numbersIn(f.data); !slices.Equal(got, upTo(2)) {
			t.Errorf("after the disk recovered: %v", got)
		}
	})
}

// Many append, some flush, the file rotates under a reader: nobody sees a line twice or misses one.
func TestManyWritersAndAReader(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent()) // a queue that has failed leaves some
	path := filepath.Join(t.TempDir(), "events.jsonl")
	l := openLog(t, EventLogOptions{Path: path, MaxBytes: 4000, MaxFiles: -1})
	const writers, each = 8, 100
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				if err := l.Append([]Event{numbered(1 + w*each + n)}); err != nil {
					t.Error(err)
				}
				if w%2 == 0 {
					if err := l.Flush(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 5 {
		checkOnceEach(t, readNumbers(t, path), -1)
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	checkOnceEach(t, readNumbers(t, path), writers*each)
	if err := l.Append([]Event{numbered(1)}); err != ErrEventLogClosed {
		t.Errorf("append after close: %v", err)
	}
}

func checkOnceEach(t *testing.T, numbers []int, want int) {
	t.Helper()
	if want >= 0 && len(numbers) != want {
		t.Errorf("%d lines, want %d", len(numbers), want)
	}
	slices.Sort(numbers)
	if len(slices.Compact(numbers)) != len(numbers) || slices.Contains(numbers, -1) {
		t.Error("a line is torn or there twice")
	}
}

func TestSubscriptionDropsForASlowReader(t *testing.T) {
	l := openLog(t, EventLogOptions{})
	s := l.Subscribe(2)
	put(t, l, 1, 2, 3)
	put(t, l, 4)
	events, lost, err := s.Next(context.Background())
	if err != nil || lost != 2 || len(events) != 2 || events[1].Size != 2 {
		t.Errorf("%d events, %d lost, %v", len(events), lost, err)
	}
	put(t, l, 5)
	if events, lost, _ := s.Next(context.Background()); len(events) != 1 || lost != 0 || events[0].Size != 5 {
		t.Errorf("then %d events, %d lost", len(events), lost)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := s.Next(ctx); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
	s.Close()
	s.Close()
	if _, _, err := s.Next(context.Background()); err != io.EOF {
		t.Errorf("closed: %v", err)
	}
	if m := l.Metrics(); m.SubscriberLost != 2 || m.Events != 5 {
		t.Errorf("metrics %+v", m)
	}
}

// lockedBuffer is a console.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func TestSinksGetEveryEvent(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent()) // a queue that has failed leaves some
	var console, journal lockedBuffer
	l := openLog(t, EventLogOptions{Hostname: "mail.a.test", Sinks: []EventSink{
		{Writer: &console, Format: FormatText},
		{Writer: &journal, Format: FormatPostfix},
	}})
	for n := range 100 {
		put(t, l, n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(console.b.String(), " delivered "); n != 100 {
		t.Errorf("%d lines on the console", n)
	}
	if n := strings.Count(journal.b.String(), "status=sent"); n != 100 {
		t.Errorf("%d lines in the journal", n)
	}
}

// A console that hangs costs a second at the end and nothing before.
func TestSinkThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		l := openLog(t, EventLogOptions{Sinks: []EventSink{{Writer: w, Format: FormatText}}})
		for n := range 3 * defaultSubscription {
			put(t, l, n)
		}
		begin := time.Now()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("close took %v", took)
		}
		r.Close() // ends the sink
	})
}

func TestReadSkipsFilesThatAreTooOld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	now := sampleStart
	l := openLog(t, EventLogOptions{Path: path, MaxBytes: 1, Now: func() time.Time { return now }})
	for n := 1; n <= 4; n++ {
		put(t, l, n)
		now = now.Add(time.Hour)
	}
	var got []int
	for e, err := range ReadEvents(context.Background(), path, ReadOptions{Since: sampleStart.Add(90 * time.Minute)}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, int(e.Size))
	}
	if !slices.Equal(got, []int{3, 4}) {
		t.Errorf("read %v", got)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	for _, err := range ReadEvents(context.Background(), path+".nowhere", ReadOptions{}) {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a log that is not there: %v", err)
		}
	}
}

func TestReadPassesOverDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	good := func(n int) string {
		e := numbered(n)
		return string(appendEventJSON(nil, &e))
	}
	log := good(1) + "\n" + "junk\n" + `{"type":"lost","count":3}` + "\n" +
		strings.Repeat("x", 2*maxEventLine) + "\n" + good(2) + good(3)[:30]
	if err := os.WriteFile(path, []byte(log), 0o640); err != nil {
		t.Fatal(err)
	}
	if got := readNumbers(t, path); !slices.Equal(got, []int{1, -1, -1, -1, 2}) {
		t.Errorf("read %v", got)
	}
	for _, err := range ReadEvents(context.Background(), path, ReadOptions{}) {
		if err != nil {
			if got, want := err.Error(), fmt.Sprintf("%s:3: not an event", path); !strings.HasPrefix(got, want) {
				t.Errorf("error %q", got)
			}
			break
		}
	}
}
