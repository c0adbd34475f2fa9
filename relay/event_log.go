package relay

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"
)

// ErrEventLogClosed is returned by a log that was closed.
var ErrEventLogClosed = errors.New("relay: event log is closed")

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
	// BufferBytes bounds what is encoded but not yet written; 4 MiB. As much again may be held
	// of a batch that could not be written.
	BufferBytes int
	// FlushInterval is how long an appended event may wait for a Flush; 100 ms.
	FlushInterval time.Duration
	// Sinks get every event too, as well as they can keep up.
	Sinks []EventSink
	// OnError is told of errors that no caller is there for (background flush, rotation), once
	// for each change from good to bad. It is not called with locks held; nil ignores them.
	OnError func(error)
	// Now tells the time; nil means time.Now.
	Now func() time.Time

	open openEventFile // for tests; nil means the real one
}

func (o *EventLogOptions) setDefaults() {
	if o.MaxBytes == 0 {
		o.MaxBytes = 256 << 20
	}
	if o.MaxAge == 0 {
		o.MaxAge = 24 * time.Hour
	}
	if o.MaxFiles == 0 {
		o.MaxFiles = 14
	}
	if o.BufferBytes == 0 {
		o.BufferBytes = 4 << 20
	}
	if o.FlushInterval == 0 {
		o.FlushInterval = 100 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.open == nil {
		o.open = openOSEventFile
	}
}

// EventLog writes events to a file that loses none. It is safe for concurrent use.
//
// Append only encodes, so that a session pays about a microsecond for its event. Flush writes
// what everybody has appended with one write, so that concurrent callers share it and its sync.
// Lock order: fileMu before mu.
type EventLog struct {
	opt    EventLogOptions
	format EventFormatter

	mu          sync.Mutex
	buf         []byte // encoded, not yet handed to the file
	subscribers []*Subscription
	closed      bool
	metrics     EventLogMetrics
	tally       eventTally

	fileMu sync.Mutex
	file   *eventFileWriter // nil if there is no Path

	dirty     chan struct{} // capacity 1: the buffer is not empty
	quit      chan struct{}
	flusher   sync.WaitGroup
	sinks     sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
}

// EventLogMetrics counts since the log was opened.
type EventLogMetrics struct {
	Events, Bytes  int64 // appended; written to the file
	Flushes        int64 // writes, each with one sync if Sync is set
	Errors         int64 // failed writes and syncs
	Rotations      int64
	Buffered       int64 // bytes that wait for a flush now
	SubscriberLost int64 // events that a slow subscriber or sink did not get
}

// OpenEventLog opens or creates the file, mends a last line that a crash tore, and starts the
// goroutine that flushes what callers only appended; Close ends it.
func OpenEventLog(opt EventLogOptions) (*EventLog, error) {
	opt.setDefaults()
	l := &EventLog{
		opt:    opt,
		format: EventFormatter{Format: opt.Format, Hostname: opt.Hostname},
		dirty:  make(chan struct{}, 1),
		quit:   make(chan struct{}),
	}
	if opt.Path != "" {
		file, err := newEventFileWriter(&l.opt)
		if err != nil {
			return nil, fmt.Errorf("open event log: %w", err)
		}
		l.file = file
		l.flusher.Go(l.flushInBackground)
	}
	for _, s := range opt.Sinks {
		l.startSink(s)
	}
	return l, nil
}

// Append encodes events into the buffer and shows them to subscribers; they are in the file after
// the next Flush, by whoever calls it, within FlushInterval. All or none are taken: an error
// means none, because the buffer is full and cannot be written, or the log is closed. The slice
// may be used again afterwards; what its events point to may not be changed.
func (l *EventLog) Append(events []Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.file != nil && len(l.buf) >= l.opt.BufferBytes && !l.closed {
		l.mu.Unlock()
		err := l.Flush() // whoever fills the buffer pays for emptying it
		l.mu.Lock()
		if err != nil {
			return fmt.Errorf("event log: buffer is full: %w", err)
		}
	}
	if l.closed {
		return ErrEventLogClosed
	}
	if l.file != nil {
		l.encode(events)
	}
	l.metrics.Events += int64(len(events))
	for i := range events {
		l.tally.add(&events[i])
	}
	for _, s := range l.subscribers {
		l.metrics.SubscriberLost += s.push(events)
	}
	return nil
}

// encode appends the events to the buffer and wakes the flusher. REQUIRES: l.mu.
func (l *EventLog) encode(events []Event) {
	wasEmpty := len(l.buf) == 0
	for i := range events {
		l.buf = l.format.Append(l.buf, &events[i])
	}
	if wasEmpty && len(l.buf) > 0 {
		l.wakeFlusher()
	}
}

// Flush writes the buffer: after it returns nil all events appended before the call are as
// safe as Sync says. After an error nothing is lost and nothing doubled: the rest stays in the
// buffer, and the next Flush goes on where this one stopped. So after a failed Flush, Flush
// again; do not Append again.
func (l *EventLog) Flush() error {
	if l.file == nil {
		return nil
	}
	err, rotateErr := l.flush()
	if rotateErr != nil {
		l.report(fmt.Errorf("event log: rotate: %w", rotateErr))
	}
	return err
}

func (l *EventLog) flush() (err, rotateErr error) {
	l.fileMu.Lock()
	defer l.fileMu.Unlock()
	if l.file.file == nil {
		return ErrEventLogClosed, nil
	}
	if err = l.writePending(); err != nil { // what an earlier flush could not
		return err, nil
	}
	l.mu.Lock()
	l.file.pending, l.buf = l.buf, l.file.pending
	l.mu.Unlock()
	if err = l.writePending(); err != nil {
		return err, nil
	}
	if l.file.rotationDue() {
		rotateErr = l.file.rotate()
	}
	return nil, rotateErr
}

// writePending writes the batch in hand and counts. REQUIRES: l.fileMu.
func (l *EventLog) writePending() error {
	n := len(l.file.pending)
	if n == 0 {
		return nil
	}
	err := l.file.write()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.metrics.Errors++
		return fmt.Errorf("event log: %w", err)
	}
	l.metrics.Flushes++
	l.metrics.Bytes += int64(n)
	return nil
}

// Reopen flushes and opens Path anew, for after an external tool has renamed the file.
func (l *EventLog) Reopen() error {
	if l.file == nil {
		return nil
	}
	flushErr := l.Flush() // if this fails, the new file gets the rest
	l.fileMu.Lock()
	defer l.fileMu.Unlock()
	if l.file.file == nil {
		return ErrEventLogClosed
	}
	if err := l.file.reopen(); err != nil {
		return fmt.Errorf("reopen event log: %w", err)
	}
	if flushErr != nil {
		return l.writePending()
	}
	return nil
}

// Close flushes and ends the log with all its subscriptions. A sink that does not take its last
// lines within a second goes without them.
func (l *EventLog) Close() error {
	l.closeOnce.Do(func() {
		l.mu.Lock()
		l.closed = true
		subscribers := l.subscribers
		l.mu.Unlock()
		close(l.quit)
		l.flusher.Wait()
		l.closeErr = l.Flush()
		for _, s := range subscribers {
			s.end()
		}
		l.waitForSinks(time.Second)
		if l.file != nil {
			l.fileMu.Lock()
			defer l.fileMu.Unlock()
			l.closeErr = errors.Join(l.closeErr, l.file.close())
		}
	})
	return l.closeErr
}

// Stats returns what the events appended since the log was opened add up to.
func (l *EventLog) Stats() EventStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.tally.EventStats
	s.AcceptedBy = maps.Clone(s.AcceptedBy)
	return s
}

// Metrics returns the counters.
func (l *EventLog) Metrics() EventLogMetrics {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.metrics
	m.Buffered = int64(len(l.buf))
	if l.file != nil {
		m.Rotations = l.file.rotations.Load()
	}
	return m
}
