package relay

import (
	"fmt"
	"os"
	"time"
)

// EventFormat is how events are written.
type EventFormat uint8

const (
	FormatJSON    EventFormat = iota // one JSON object a line; the only one that can be read back
	FormatPostfix                    // Postfix's log lines, for the tools that read those
	FormatText                       // one clear line for people
)

// ParseEventFormat reads the name of a format as the command line gives it.
func ParseEventFormat(name string) (EventFormat, error) {
	switch name {
	case "json":
		return FormatJSON, nil
	case "postfix":
		return FormatPostfix, nil
	case "text":
		return FormatText, nil
	}
	return 0, fmt.Errorf("unknown event format %q: want json, postfix or text", name)
}

// EventFormatter turns events into lines. Its fields are set before the first use; it may then be
// used concurrently.
type EventFormatter struct {
	Format   EventFormat
	Hostname string         // of FormatPostfix
	PID      int            // of FormatPostfix; 0 means this process
	Color    bool           // of FormatText
	Location *time.Location // of FormatPostfix and FormatText; nil means local time
}

// Append appends e in its format, with the final line feed. An event is one line in FormatJSON and
// FormatText; in FormatPostfix as many as Postfix would have written.
func (f *EventFormatter) Append(b []byte, e *Event) []byte {
	switch f.Format {
	case FormatPostfix:
		p := f.postfix()
		return p.append(b, e)
	case FormatText:
		t := textLines{color: f.Color, location: f.location()}
		return t.append(b, e)
	default:
		return appendEventJSON(b, e)
	}
}

// appendLost appends the line that tells a reader of n events it was too slow for.
func (f *EventFormatter) appendLost(b []byte, n int64, now time.Time) []byte {
	switch f.Format {
	case FormatPostfix:
		p := f.postfix()
		b = p.appendStampAndHost(b, now)
		return fmt.Appendf(b, "postfix/postlogd[%d]: warning: %d events are not shown here: this output is too slow\n", p.pid, n)
	case FormatText:
		return fmt.Appendf(b, "... %d events are not shown: this output is too slow; the event log has them\n", n)
	default:
		return fmt.Appendf(b, `{"type":"lost","timestamp":"%s","count":%d}`+"\n", now.UTC().Format(stampLayout), n)
	}
}

func (f *EventFormatter) postfix() postfixLines {
	pid := f.PID
	if pid == 0 {
		pid = os.Getpid()
	}
	return postfixLines{hostname: f.Hostname, pid: pid, location: f.location()}
}

func (f *EventFormatter) location() *time.Location {
	if f.Location == nil {
		return time.Local
	}
	return f.Location
}
