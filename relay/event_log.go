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
	// MaxFiles is how many rotated files are kept; 150. Negative keeps all.
	MaxFiles int
	// Compress compresses rotated files in the background, all but the newest. Their names then end in .gz.
	Compress bool
	// Hostname stands in Postfix's lines.
	Hostname string
	// BufferBytes bounds what is encoded but not yet written; 4 MiB. About twice as much again is
	// held of what is written but not yet synced.
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
		o.MaxFiles = 150
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

// EventLog writes events to a file. It is safe for concurrent use.
//
// Append only encodes, so that a session pays about a microsecond for its event. Flush writes
// what everybody has appended with one write, and Sync makes that outlive a power failure. What must not
// be lost if neither has happened yet is in the notes of the queue; see journal.go.
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
	failing     bool // the last write or sync failed

	fileMu sync.Mutex
	file   *eventFileWriter // nil if there is no Path

	dirty     chan struct{} // capacity 1: the buffer is not empty
	rotated   chan struct{} // capacity 1: there is a file to compress
	quit      chan struct{}
	flusher   sync.WaitGroup
	sinks     sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
}

// EventLogMetrics counts since the log was opened.
type EventLogMetrics struct {
	Events, Bytes  int64 // appended; written to the file
	Flushes        int64 // writes
	Syncs          int64
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
		opt:     opt,
		format:  EventFormatter{Format: opt.Format, Hostname: opt.Hostname},
		dirty:   make(chan struct{}, 1),
		rotated: make(chan struct{}, 1),
		quit:    make(chan struct{}),
	}
	if opt.Path != "" {
		file, err := newEventFileWriter(&l.opt)
		if err != nil {
			return nil, fmt.Errorf("open event log: %w", err)
		}
		l.file = file
		l.flusher.Go(l.flushInBackground)
		if opt.Compress {
			l.flusher.Go(l.compressInBackground)
		}
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
		wasEmpty := len(l.buf) == 0
		l.buf = l.encode(l.buf, events)
		l.appended(wasEmpty)
	}
	l.show(events)
	return nil
}

// encode appends the events' lines to b; there are none without a file.
func (l *EventLog) encode(b []byte, events []Event) []byte {
	if l.file == nil {
		return b
	}
	for i := range events {
		b = l.format.Append(b, &events[i])
	}
	return b
}

// appendLines is Append for events that are encoded already, and takes them also when the buffer is full.
func (l *EventLog) appendLines(lines []byte, events []Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrEventLogClosed
	}
	if l.file != nil {
		wasEmpty := len(l.buf) == 0
		l.buf = append(l.buf, lines...)
		l.appended(wasEmpty)
	}
	l.show(events)
	return nil
}

// appended wakes the flusher if there is something to flush now. REQUIRES: l.mu.
func (l *EventLog) appended(wasEmpty bool) {
	if wasEmpty && len(l.buf) > 0 {
		l.wakeFlusher()
	}
}

// show counts events and shows them to the subscribers. REQUIRES: l.mu.
func (l *EventLog) show(events []Event) {
	l.metrics.Events += int64(len(events))
	for i := range events {
		l.tally.add(&events[i])
	}
	for _, s := range l.subscribers {
		l.metrics.SubscriberLost += s.push(events)
	}
}

// ready tells whether lines that are appended now will be in the file soon, as far as is known. If not it tries
// to make them so.
func (l *EventLog) ready() error {
	l.mu.Lock()
	fine := !l.failing && len(l.buf) < l.opt.BufferBytes
	l.mu.Unlock()
	if fine || l.file == nil {
		return nil
	}
	return l.Sync()
}

// Flush writes the buffer: after it returns nil all events appended before the call outlive the process.
// After an error nothing is lost and nothing doubled: the rest stays in the buffer, and the next
// Flush goes on where this one stopped. So after a failed Flush, Flush again; do not Append again.
func (l *EventLog) Flush() error { return l.flush((*eventFileWriter).write) }

// Sync is Flush and then fdatasync: the events outlive a power failure too.
func (l *EventLog) Sync() error { return l.flush((*eventFileWriter).writeAndSync) }

func (l *EventLog) flush(write func(*eventFileWriter) error) error {
	if l.file == nil {
		return nil
	}
	err, rotateErr := l.writeBuffer(write)
	if rotateErr != nil {
		l.report(fmt.Errorf("event log: rotate: %w", rotateErr))
	}
	return err
}

func (l *EventLog) writeBuffer(write func(*eventFileWriter) error) (err, rotateErr error) {
	l.fileMu.Lock()
	defer l.fileMu.Unlock()
	if l.file.file == nil {
		return ErrEventLogClosed, nil
	}
	// First what an earlier call could not: else what waits here would grow.
	if err = l.counted(l.file.write); err != nil {
		return err, nil
	}
	l.mu.Lock()
	l.file.taken, l.buf = l.buf, l.file.taken[:0]
	l.mu.Unlock()
	l.file.pending = append(l.file.pending, l.file.taken...)
	if err = l.counted(func() error { return write(l.file) }); err != nil {
		return err, nil
	}
	if l.file.rotationDue() {
		rotateErr = l.file.rotate()
		l.wakeCompressor()
	}
	return nil, rotateErr
}

// counted writes, and counts what was written. REQUIRES: l.fileMu.
func (l *EventLog) counted(write func() error) error {
	before := l.file.bytes
	err := write()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failing = err != nil; err != nil {
		l.metrics.Errors++
		err = fmt.Errorf("event log: %w", err)
	} else if l.file.bytes > before {
		l.metrics.Flushes++
	}
	l.metrics.Bytes = l.file.bytes
	return err
}

// Reopen syncs and opens Path anew, for after an external tool has renamed the file.
func (l *EventLog) Reopen() error {
	if l.file == nil {
		return nil
	}
	syncErr := l.Sync() // if this fails, the new file gets the rest
	l.fileMu.Lock()
	defer l.fileMu.Unlock()
	if l.file.file == nil {
		return ErrEventLogClosed
	}
	if err := l.file.reopen(); err != nil {
		return fmt.Errorf("reopen event log: %w", err)
	}
	if syncErr != nil {
		return l.counted(l.file.writeAndSync)
	}
	return nil
}

// Close syncs and ends the log with all its subscriptions. A sink that does not take its last
// lines within a second goes without them.
func (l *EventLog) Close() error {
	l.closeOnce.Do(func() {
		l.mu.Lock()
		l.closed = true
		subscribers := l.subscribers
		l.mu.Unlock()
		close(l.quit)
		l.flusher.Wait()
		l.closeErr = l.Sync()
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
		m.Rotations, m.Syncs = l.file.rotations.Load(), l.file.syncs.Load()
	}
	return m
}
