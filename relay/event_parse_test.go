package relay

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/posthaste-mta/posthaste/message"
)

func equalEvents(a, b Event) string {
	return cmp.Diff(a, b, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
		cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }))
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	for _, e := range sampleEvents() {
		got, err := ParseEvent(appendEventJSON(nil, &e))
		if err != nil {
			t.Fatalf("%s: %v", e.Type, err)
		}
		if diff := equalEvents(e, got); diff != "" {
			t.Errorf("%s (-written +read):\n%s", e.Type, diff)
		}
	}
}

func TestAnyEventIsReadBack(t *testing.T) {
	text := rapid.StringMatching(`[ -~\n\té世]{0,40}`)
	span := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "us")) * time.Microsecond
	})
	rapid.Check(t, func(t *rapid.T) {
		e := Event{
			Type:      EventType(rapid.IntRange(0, int(NumEventTypes)-1).Draw(t, "type")),
			ID:        message.ID(rapid.Uint64().Draw(t, "id")),
			Sender:    text.Draw(t, "sender"),
			Recipient: text.Draw(t, "recipient"),
			Site:      text.Draw(t, "site"),
			Size:      rapid.Int64().Draw(t, "size"),
			Class:     message.Class(rapid.IntRange(0, int(message.NumClasses)-1).Draw(t, "class")),
			Status: message.Status{
				Code:     rapid.IntRange(0, 599).Draw(t, "code"),
				Enhanced: message.EnhancedCode{rapid.IntRange(0, 5).Draw(t, "class of code"), 1, 1},
				Text:     "x" + text.Draw(t, "reply"),
				Remote:   rapid.Bool().Draw(t, "remote"),
			},
			Command:   text.Draw(t, "command"),
			PeerName:  text.Draw(t, "peer"),
			Timestamp: sampleStart.Add(span.Draw(t, "timestamp")),
			Delays:    Delays{span.Draw(t, "a"), span.Draw(t, "b"), span.Draw(t, "c"), span.Draw(t, "d")},
		}
		line := appendEventJSON(nil, &e)
		got, err := ParseEvent(line)
		if err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if diff := equalEvents(e, got); diff != "" {
			t.Fatalf("(-written +read):\n%s", diff)
		}
	})
}

// Whatever words a peer chose, the line is one line of valid JSON, and bounded.
func FuzzEventWords(f *testing.F) {
	f.Add("a@b.test", "ok\r\n\x00\u2028", "mx\xff")
	f.Add("", "\"\\\u202e\U0001F600\U000E0001", "\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, addr, words, name string) {
		e := sampleEvents()[EventBounced]
		e.Sender, e.Recipient, e.Status.Text, e.PeerName, e.HELO = addr, addr, words, name, name
		e.Detail.Route.Hosts = []string{name}
		line := appendEventJSON(nil, &e)
		if !json.Valid(line) || bytes.Count(line, []byte("\n")) != 1 || len(line) > maxEventLine {
			t.Fatalf("%q", line)
		}
		got, err := ParseEvent(line)
		if err != nil {
			t.Fatal(err)
		}
		if again := appendEventJSON(nil, &got); !bytes.Equal(line, again) && len(words) <= maxEventText/3 &&
			len(addr) <= maxEventAddress/3 && len(name) <= maxEventName/3 { // U+FFFD may be longer than what it stands for
			t.Fatalf("written again:\n%s\n%s", line, again)
		}
		for _, g := range goldenFormats[1:3] {
			for _, c := range g.formatter.Append(nil, &e) {
				if c < ' ' && c != '\n' || c == 0x7f {
					t.Fatalf("%s: control character %#x", g.file, c)
				}
			}
		}
	})
}

// No line makes the reader fail otherwise than by an error.
func FuzzParseEvent(f *testing.F) {
	for _, e := range sampleEvents() {
		f.Add(appendEventJSON(nil, &e))
	}
	f.Add([]byte(`{"type":"delivered","id":"zz"}`))
	f.Add([]byte(`{"type":"held","delays":[1e300,-1,0],"num_attempts":1e9,"timestamp":"9999-12-31T23:59:59Z"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := ParseEvent(line)
		if err != nil {
			return
		}
		again := appendEventJSON(nil, &e)
		if !json.Valid(again) {
			t.Fatalf("%q", again)
		}
		for _, g := range goldenFormats {
			g.formatter.Append(nil, &e)
		}
		tr := tracer{id: e.ID, last: make(map[string]traceState)}
		tr.add(&e)
		tr.addSummary()
	})
}
