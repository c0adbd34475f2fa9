package relay

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
)

var (
	journals    = flag.Int("journals", 40, "how many random histories TestNoEndUntold plays")
	journalSeed = flag.Uint64("journal-seed", 0, "play this one history only")
)

// TestNoEndUntold settles and tells at random, and cuts the power or kills the process at any operation of either
// disk, again and again, also during recovery. At each start, once what was left has been told: each recipient that
// has left the queue has one line of its end, one that is queued has none and a line for each attempt, each
// report has its line, and no line stands there twice.
func TestNoEndUntold(t *testing.T) {
	for n := range *journals {
		seed := rand.Uint64() >> 32
		if *journalSeed != 0 {
			if seed = *journalSeed; n > 0 {
				break
			}
		}
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newJournalStory(t, seed).play() })
		})
	}
}

// journalStory is one history: a queue and an event log, and a journal between.
type journalStory struct {
	t       *testing.T
	dice    *rand.Rand
	disk    *powerDisk
	queue   *queue.Queue
	events  *EventLog
	journal *journal
	rotate  int64

	accepted map[message.ID]bool // Put returned
	number   int                 // of events made
}

func newJournalStory(t *testing.T, seed uint64) *journalStory {
	s := &journalStory{t: t, dice: rand.New(rand.NewPCG(seed, 3)), accepted: map[message.ID]bool{}}
	s.disk = &powerDisk{dice: rand.New(rand.NewPCG(seed, 4)), queue: vfs.NewCrashableMem(), dir: t.TempDir()}
	s.rotate = []int64{-1, 1000, 20_000}[s.dice.IntN(3)]
	return s
}

func (s *journalStory) play() {
	for range 2 + s.dice.IntN(5) {
		cut := s.disk.run(1+s.dice.IntN(150), s.dice.IntN(3) > 0, s.live)
		if cut {
			s.disk = s.disk.restart(s.t)
		}
	}
	s.disk.run(0, false, func(ctx context.Context) {
		if !s.start(ctx) {
			s.t.Fatal("it does not start")
		}
		s.check()
		s.end()
	})
	events, _ := s.disk.lines(s.t)
	s.t.Logf("%d messages, %d events told of", len(s.accepted), len(events))
}

// live is one life of the process.
func (s *journalStory) live(ctx context.Context) {
	if !s.start(ctx) {
		return
	}
	s.check()
	for range s.dice.IntN(60) {
		if ctx.Err() != nil {
			break
		}
		switch s.dice.IntN(8) {
		case 0, 1, 2:
			s.put(ctx)
		case 3, 4, 5:
			s.settle(ctx)
		case 6:
			time.Sleep(time.Duration(s.dice.IntN(700)) * time.Millisecond)
		case 7: // of a session; nobody waits for it
			_ = s.events.Append([]Event{s.event(EventRejected, 0, "a@b.test")})
		}
	}
	s.end()
}

// start opens queue and log and tells what was left; false tells that the power was cut in between.
func (s *journalStory) start(ctx context.Context) bool {
	var err error
	s.queue, err = queue.Open(queue.Options{Dir: "queue", FS: s.disk.fs(), MinFreeDisk: -1, Memory: 16 << 20, RecipientsPerGroup: 2})
	if err != nil {
		s.t.Fatal(err)
	}
	s.events, err = OpenEventLog(EventLogOptions{Path: filepath.Join(s.disk.dir, "events.jsonl"), MaxBytes: s.rotate,
		MaxFiles: -1, MaxAge: -1, open: s.disk.open})
	if errors.Is(err, errPowerOff) {
		_ = s.queue.Close() // as it is
		return false
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.journal = newJournal(s.queue, s.events, zap.NewNop())
	err = s.journal.tellLeft(ctx)
	if err == nil && ctx.Err() == nil {
		s.journal.start()
		return true
	}
	if ctx.Err() == nil {
		s.t.Fatal(err)
	}
	_, _ = s.events.Close(), s.queue.Close()
	return false
}

func (s *journalStory) end() {
	s.journal.close()
	_, _ = s.events.Close(), s.queue.Close() // the power may be off
}

func (s *journalStory) event(t EventType, id message.ID, rcpt string) Event {
	s.number++
	return Event{Type: t, ID: id, Recipient: rcpt, Timestamp: time.Now(), SessionID: fmt.Sprint("n", s.number),
		Status: message.Status{Text: string(make([]byte, s.dice.IntN(200)))}}
}

// put accepts a message. What was not acknowledged when the power went may be there or not.
func (s *journalStory) put(ctx context.Context) {
	var to []message.Recipient
	for i := range 1 + s.dice.IntN(5) {
		domain := fmt.Sprintf("d%d.test", s.dice.IntN(3))
		to = append(to, message.Recipient{Address: fmt.Sprintf("r%d@%s", i, domain), Domain: domain})
	}
	id, err := s.queue.Put(context.Background(), &message.Envelope{Sender: "shop@a.test"}, to, []byte("hello\r\n"))
	if err != nil {
		s.t.Fatal(err)
	}
	if ctx.Err() == nil {
		s.accepted[id] = true
		_ = s.events.Append([]Event{s.event(EventAccepted, id, to[0].Address)})
	}
}

// settle has a batch of outcomes recorded.
func (s *journalStory) settle(ctx context.Context) {
	var b batch
	for range 1 + s.dice.IntN(4) {
		lease, err := s.queue.Lease(fmt.Sprintf("d%d.test", s.dice.IntN(3)))
		if err != nil {
			s.t.Fatal(err)
		}
		if lease != nil {
			o := s.outcome(lease)
			b.add(&o)
		}
	}
	if len(b.settlements) == 0 {
		return
	}
	if err := s.journal.commit(ctx, &b); err != nil {
		s.t.Fatal(err)
	}
}

func (s *journalStory) outcome(lease *queue.Lease) outcome {
	o := outcome{settlement: queue.Settlement{Lease: lease, Attempted: true}}
	id := lease.Envelope.ID
	for _, rcpt := range lease.Recipients {
		result := message.Result(s.dice.IntN(int(message.NumResults)))
		o.settlement.Results = append(o.settlement.Results, result)
		o.settlement.Statuses = append(o.settlement.Statuses, message.Status{Code: 451})
		o.events = append(o.events, s.event(EventOf(result), id, rcpt.Address))
		if result == message.Bounced && lease.Envelope.Sender != "" {
			report := s.queue.NewID()
			o.settlement.Reports = append(o.settlement.Reports, queue.NewMessage{
				Envelope:   &message.Envelope{ID: report},
				Recipients: []message.Recipient{{Address: "shop@d0.test", Domain: "d0.test"}},
				Content:    []byte("it failed\r\n"),
			})
			o.events = append(o.events, s.event(EventReport, report, "shop@d0.test"))
		}
	}
	return o
}

// check holds the log against the queue.
func (s *journalStory) check() {
	s.t.Helper()
	if err := s.events.Flush(); err != nil {
		s.t.Fatal(err)
	}
	type name struct {
		id   message.ID
		rcpt string
	}
	ends, deferred := map[name]int{}, map[name]int{}
	told, reports := map[message.ID]bool{}, map[message.ID]int{}
	events, lines := s.disk.lines(s.t)
	for line, n := range lines {
		if n > 1 {
			s.t.Errorf("told %d times: %s", n, line)
		}
	}
	for _, e := range events {
		switch {
		case e.Type == EventReport:
			reports[e.ID]++
		case e.Type.Ends():
			ends[name{e.ID, e.Recipient}]++
			told[e.ID] = true
		case e.Type == EventDeferred:
			deferred[name{e.ID, e.Recipient}]++
		}
	}
	queued := map[message.ID]bool{}
	for e, err := range s.queue.List(context.Background(), queue.Filter{}, 0) {
		if err != nil {
			s.t.Fatal(err)
		}
		n := name{e.ID, e.Recipient.Address}
		queued[e.ID] = true
		if ends[n] != 0 || deferred[n] != e.Attempts {
			s.t.Errorf("%v is queued after %d attempts; the log has %d ends and %d attempts", n, e.Attempts, ends[n], deferred[n])
		}
		if e.Sender == "" && reports[e.ID] != 1 {
			s.t.Errorf("report %v is queued; the log has it %d times", e.ID, reports[e.ID])
		}
	}
	for id := range s.accepted {
		if !queued[id] && !told[id] {
			s.t.Errorf("message %v has left the queue without a line", id)
		}
	}
	for id, n := range reports {
		if n != 1 || !queued[id] && !told[id] {
			s.t.Errorf("the log has %d lines about the report %v, which never was", n, id)
		}
	}
	total := 0
	for n, count := range ends {
		if total++; count != 1 {
			s.t.Errorf("%v has %d ends in the log", n, count)
		}
	}
	audit, err := s.queue.Audit(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	ended := int64(0)
	for _, n := range audit.Ended {
		ended += n
	}
	if int64(total) != ended {
		s.t.Errorf("%d recipients have ended, the log tells of %d", ended, total)
	}
	if s.t.Failed() {
		s.disk.fatal(s.t, "see above")
	}
}

// A full disk under the log pauses the recording; when there is room it goes on. What must be recorded at the
// end all the same waits for the next start.
func TestJournalWaitsForTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		f := &faultyFile{}
		s := &journalStory{t: t, dice: rand.New(rand.NewPCG(1, 1)), accepted: map[message.ID]bool{}}
		open := func() {
			var err error
			s.queue, err = queue.Open(queue.Options{Dir: "queue", FS: disk, MinFreeDisk: -1, Memory: 16 << 20})
			if err != nil {
				t.Fatal(err)
			}
			s.events, err = OpenEventLog(EventLogOptions{Path: "events.jsonl", MaxBytes: -1, MaxAge: -1, open: f.open})
			if err != nil {
				t.Fatal(err)
			}
			s.journal = newJournal(s.queue, s.events, zap.NewNop())
		}
		end := func(ctx context.Context) chan error { // the next message
			domain, err := s.queue.NextReady(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			lease, err := s.queue.Lease(domain)
			if err != nil {
				t.Fatal(err)
			}
			var b batch
			b.add(&outcome{
				settlement: queue.Settlement{Lease: lease, Results: []message.Result{message.Delivered}, Statuses: make([]message.Status, 1)},
				events:     []Event{numbered(len(s.accepted))},
			})
			ended := make(chan error, 1)
			go func() { ended <- s.journal.commit(ctx, &b) }()
			return ended
		}
		put := func() {
			to := []message.Recipient{{Address: "a@d0.test", Domain: "d0.test"}}
			id, err := s.queue.Put(context.Background(), &message.Envelope{}, to, []byte("hello\r\n"))
			if err != nil {
				t.Fatal(err)
			}
			s.accepted[id] = true
		}
		open()
		s.journal.start()
		put()
		if err := <-end(t.Context()); err != nil { // the log has not failed yet
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		put()
		ended := end(t.Context())
		time.Sleep(time.Minute)
		if len(ended) > 0 {
			t.Error("recorded while the log cannot be written")
		}
		f.room(-1)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := numbersIn(f.safe()); fmt.Sprint(got) != "[1 2]" {
			t.Errorf("synced lines %v", got)
		}

		f.room(0)
		_ = s.events.Append([]Event{numbered(0)})
		time.Sleep(time.Second)
		put()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := <-end(ctx); err != nil {
			t.Fatal(err)
		}
		s.journal.close()
		if err := s.events.Close(); err == nil {
			t.Error("the log was closed without its last lines, and without an error")
		}
		if err := s.queue.Close(); err != nil {
			t.Fatal(err)
		}
		f.room(-1)
		open()
		defer s.queue.Close()
		if err := s.journal.tellLeft(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := numbersIn(f.safe()); fmt.Sprint(got) != "[1 2 3]" {
			t.Errorf("synced lines %v", got)
		}
		if err := s.events.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
