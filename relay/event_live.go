package relay

import (
	"context"
	"io"
	"sync"
	"time"
)

// defaultSubscription is how many events wait for a subscriber before it loses some.
const defaultSubscription = 4096

// Subscription shows events as they are appended. A reader that does not keep up loses the newest
// ones and is told how many: it never holds up the relay.
type Subscription struct {
	log   *EventLog
	limit int
	wake  chan struct{} // capacity 1: there is something to read

	mu     sync.Mutex
	events []Event
	taken  []Event // the slice that the last Next returned, for use again
	lost   int64
	ended  bool
}

// Subscribe returns a subscription that holds at most buffer events (0: 4096). Close it.
func (l *EventLog) Subscribe(buffer int) *Subscription {
	if buffer <= 0 {
		buffer = defaultSubscription
	}
	s := &Subscription{log: l, limit: buffer, wake: make(chan struct{}, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		s.ended = true
		return s
	}
	l.subscribers = append(l.subscribers, s)
	return s
}

// push adds what there is room for and returns how many are lost.
func (s *Subscription) push(events []Event) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	room := min(s.limit-len(s.events), len(events))
	s.events = append(s.events, events[:room]...)
	lost := int64(len(events) - room)
	s.lost += lost
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return lost
}

// Next waits for events and returns all there are, in order, with the number of those lost after
// them. The slice is good until the next call. After Close, or the log's, it returns the rest and
// then io.EOF. Only one goroutine may call it.
func (s *Subscription) Next(ctx context.Context) (events []Event, lost int64, err error) {
	for {
		s.mu.Lock()
		if len(s.events) > 0 || s.lost > 0 {
			events, lost = s.events, s.lost
			clear(s.taken) // do not keep what was read alive
			s.events, s.taken, s.lost = s.taken[:0], events, 0
			s.mu.Unlock()
			return events, lost, nil
		}
		ended := s.ended
		s.mu.Unlock()
		if ended {
			return nil, 0, io.EOF
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// Close ends the subscription; it may be called from anywhere, again too.
func (s *Subscription) Close() {
	s.log.mu.Lock()
	for i, other := range s.log.subscribers {
		if other == s {
			s.log.subscribers = append(s.log.subscribers[:i:i], s.log.subscribers[i+1:]...)
			break
		}
	}
	s.log.mu.Unlock()
	s.end()
}

func (s *Subscription) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// EventSink is a further output: the console, the journal. A slow one loses lines and is told
// how many; it never holds up the relay.
type EventSink struct {
	Writer io.Writer
	Format EventFormat
	Color  bool // of FormatText
}

// startSink starts the goroutine that writes a sink's lines; Close ends it.
func (l *EventLog) startSink(sink EventSink) {
	s := l.Subscribe(0)
	f := EventFormatter{Format: sink.Format, Hostname: l.opt.Hostname, Color: sink.Color}
	l.sinks.Go(func() {
		defer s.Close()
		var line []byte
		for {
			events, lost, err := s.Next(context.Background())
			if err != nil {
				return
			}
			line = line[:0]
			for i := range events {
				line = f.Append(line, &events[i])
			}
			if lost > 0 {
				line = f.appendLost(line, lost, l.opt.Now())
			}
			if _, err := sink.Writer.Write(line); err != nil {
				return // a console that went away is no reason to stop relaying
			}
		}
	})
}

// waitForSinks waits until the sinks have written their last lines, or the limit is over.
func (l *EventLog) waitForSinks(limit time.Duration) {
	done := make(chan struct{})
	go func() { // ends with the sinks
		l.sinks.Wait()
		close(done)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}
