package relay

import (
	"io"
	"time"
)

// EventFormat is how events are written.
type EventFormat uint8

const (
	FormatJSON    EventFormat = iota // one JSON object a line; the only one that can be read back
	FormatPostfix                    // Postfix's log lines, for the tools that read those
	FormatText                       // one clear line for people
)

// EventLogOptions says where events go and how safe they are. The zero value of a number means
// the default that stands with it.
type EventLogOptions struct {
	// Path is the file; rotated ones lie beside it as Path.20060102T150405.000000Z. "" means no
	// file: events go to Sinks and subscribers only.
	Path   string
	Format EventFormat
	// MaxBytes and MaxAge start a new file; 256 MiB, 24 hours. Negative means never.
	MaxBytes int64
	MaxAge   time.Duration
	// MaxFiles is how many rotated files are kept; 14. Negative keeps all.
	MaxFiles int
	// Sync makes Flush return after fdatasync: events then survive a power failure, not only
	// the death of the process.
	Sync bool
	// Hostname stands in Postfix's lines.
	Hostname string
	// BufferBytes bounds what is encoded but not yet written; 4 MiB.
	BufferBytes int
	// FlushInterval is how long an appended event may wait for a Flush; 100 ms.
	FlushInterval time.Duration
	// Sinks get every event too, as well as they can keep up.
	Sinks []EventSink
	// OnError is told of errors that no caller is there for (background flush, rotation). It
	// is not called with locks held; nil ignores them.
	OnError func(error)
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

// EventSink is a further output: the console, the journal. A slow one loses lines and is told
// how many; it never holds up the relay.
type EventSink struct {
	Writer io.Writer
	Format EventFormat
	Color  bool // of FormatText
}

// EventLog writes events to a file that loses none. It is safe for concurrent use.
type EventLog struct {
	opt EventLogOptions
}

// OpenEventLog opens or creates the file, mends a last line that a crash tore, and starts the
// goroutine that flushes what callers only appended; Close ends it.
func OpenEventLog(opt EventLogOptions) (*EventLog, error) { return &EventLog{opt: opt}, nil }

// Append encodes events into the buffer and shows them to subscribers; they are in the file after
// the next Flush, by whoever calls it, within FlushInterval. All or none are taken: an error
// means that the buffer is full because the file cannot be written.
func (l *EventLog) Append(events []Event) error { return nil }

// Flush writes the buffer: after it returns nil all events appended before the call are as
// safe as Sync says. After an error nothing is lost and nothing doubled: the rest stays in the
// buffer, and the next Flush goes on where this one stopped.
func (l *EventLog) Flush() error { return nil }

// Reopen flushes and opens Path anew, for after an external tool has renamed the file.
func (l *EventLog) Reopen() error { return nil }

// Close flushes and ends the log with all its subscriptions.
func (l *EventLog) Close() error { return nil }
