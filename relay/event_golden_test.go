package relay

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-mta/posthaste/message"
)

var updateEvents = flag.Bool("update-events", false, "rewrite the golden files of events and traces")

func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *updateEvents {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update-events rewrites it):\n%s", path, diff)
	}
}

var goldenFormats = []struct {
	file      string
	formatter EventFormatter
}{
	{"json", EventFormatter{Format: FormatJSON}},
	{"postfix", EventFormatter{Format: FormatPostfix, Hostname: "mail.a.test", PID: 77, Location: time.UTC}},
	{"text", EventFormatter{Format: FormatText, Location: time.UTC}},
	{"color", EventFormatter{Format: FormatText, Color: true, Location: time.UTC}},
}

func TestFormats(t *testing.T) {
	for _, g := range goldenFormats {
		var out []byte
		for _, e := range sampleEvents() {
			out = g.formatter.Append(out, &e)
		}
		compareGolden(t, "events."+g.file, out)
	}
}

// Everything a peer or a client may have put into an event: line breaks, escapes, overrides, broken
// UTF-8, and text without end.
func TestHostileWordsStayInTheirLine(t *testing.T) {
	e := sampleEvents()[EventBounced]
	e.Detail = nil
	e.Sender = `"a>, status=sent (250 ok)"@x.test`
	e.Recipient = "joe\r\nQUIT\x00@example.net"
	e.PeerName = "mx\u202egnp.exe\x1b[2J"
	e.Status.Text = "no\r\nway \"quoted\" \\ \x7f \u0085 \xff\xfe \u00e9\u00df\u4e16 \U0001F600 " + strings.Repeat("blah ", 1000)
	e.MessageID = "<b\tc>"
	for _, g := range goldenFormats {
		out := g.formatter.Append(nil, &e)
		if n := bytes.Count(out, []byte("\n")); n > 2 {
			t.Errorf("%s: %d lines", g.file, n)
		}
		if len(out) > 4000 {
			t.Errorf("%s: %d bytes", g.file, len(out))
		}
		compareGolden(t, "hostile."+g.file, out)
	}
}

// A message for three: one delivered, one bounced, one deferred and then expired; read back from a log
// with other messages in it.
func TestTrace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	all := sampleEvents()
	other := all[EventDelivered]
	other.ID = sampleID(7)
	story := []Event{
		all[EventAccepted], other, all[EventDelivered], all[EventDeferred], all[EventBounced],
		all[EventReport], other, secondAttempt(), all[EventHeld], all[EventReleased], all[EventExpired],
	}
	writeEvents(t, path, story[:8])
	compareGolden(t, "trace.waiting", traceOf(t, path, sampleID(0)))
	writeEvents(t, path, story[8:])
	compareGolden(t, "trace.ended", traceOf(t, path, sampleID(0)))
	compareGolden(t, "trace.report", traceOf(t, path, sampleID(1)))

	if err := Trace(context.Background(), &bytes.Buffer{}, path, sampleID(99)); err != ErrNoTrace {
		t.Errorf("trace of an unknown message: %v", err)
	}
}

// secondAttempt goes over an open connection, by a route that is out of date.
func secondAttempt() Event {
	e := sampleEvents()[EventDeferred]
	e.Timestamp = sampleStart.Add(5*time.Minute + 150*time.Millisecond)
	e.Attempts, e.NextDue = 2, e.Timestamp.Add(30*time.Minute)
	e.Detail = &Detail{
		Start:  sampleStart.Add(5*time.Minute + 107*time.Millisecond),
		Route:  RouteDetail{Kind: "mx", Cached: true, Stale: true, Hosts: []string{"mx1.example.net"}},
		Reused: true,
		Steps: []Step{
			{Phase: "mail", At: 20 * time.Millisecond, Status: message.Status{Code: 250, Text: "ok", Remote: true}},
			{Phase: "rcpt", At: 21 * time.Millisecond, Status: e.Status},
		},
	}
	return e
}

func writeEvents(t *testing.T, path string, events []Event) {
	t.Helper()
	l, err := OpenEventLog(EventLogOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(events); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func traceOf(t *testing.T, path string, id message.ID) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Trace(context.Background(), &out, path, id); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
