package bench

import (
	"hash/crc32"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthaste-mta/posthaste/bench/world"
	"github.com/posthaste-mta/posthaste/message"
)

// Oracle knows what the relay acknowledged and what arrived, recipient by recipient. It is safe for concurrent use.
type Oracle struct {
	perMessage int
	signatures int // that each message has to arrive with
	begin      time.Time
	crc        *crc32.Table

	mu    sync.RWMutex
	pages []*[fatePage]fate

	// Delivered is how long after its acknowledgement a recipient was delivered; 0 when the message
	// arrived before the load had read the 250.
	Delivered Histogram

	acked, settled, arrived      atomic.Int64 // acked and settled count recipients
	corrupted, mixed, strangers  atomic.Int64
	unsigned                     atomic.Int64
	bounces, deferrals, lastSeen atomic.Int64
}

// fatePage is how many recipients are allocated at once.
const fatePage = 1 << 14

// fate is what is known of one recipient. Times are nanoseconds since begin, 0 for never.
type fate struct {
	ackedAt, arrivedAt atomic.Int64
	count              atomic.Uint32
	flags              atomic.Uint32
}

const (
	fateAcked    = 1 << iota // the relay took responsibility
	fateEnded                // arrived, or was refused for good by the next hop
	fateRefused              // the relay refused the message
	fateRejected             // the next hop refused the recipient for good
)

// Tally is the oracle's verdict. Counts are of recipients but for Bounces.
type Tally struct {
	Acknowledged int64 `json:"acknowledged"`
	Delivered    int64 `json:"delivered"` // at least once
	Rejected     int64 `json:"rejected"`  // refused for good by the next hop
	Lost         int64 `json:"lost"`      // acknowledged, neither delivered nor rejected
	Doubled      int64 `json:"doubled"`   // deliveries beyond the first
	Corrupted    int64 `json:"corrupted"` // deliveries whose content was not what was sent
	Mixed        int64 `json:"mixed"`     // deliveries of another message's content
	InDoubt      int64 `json:"in_doubt"`  // delivered though never acknowledged nor refused
	AfterRefusal int64 `json:"after_refusal"`
	Strangers    int64 `json:"strangers"` // deliveries to nobody we sent to
	Bounces      int64 `json:"bounces"`   // bounce messages that came back
	// Unsigned are messages that arrived with fewer signatures than they should have.
	Unsigned int64 `json:"unsigned,omitempty"`
}

// Clean tells that nothing was lost, altered or invented; doubled mail may have its reasons and
// is judged by the scenario.
func (t Tally) Clean() bool {
	return t.Lost == 0 && t.Corrupted == 0 && t.Mixed == 0 && t.AfterRefusal == 0 && t.Strangers == 0
}

// NewOracle makes an oracle for messages of perMessage recipients each.
func NewOracle(perMessage int) *Oracle {
	return &Oracle{perMessage: max(1, perMessage), begin: time.Now(), crc: castagnoli()}
}

func (o *Oracle) now() int64 { return int64(time.Since(o.begin)) + 1 }

// fate returns recipient k of message n, making room if make is set; else nil if it was never sent.
func (o *Oracle) fate(n uint64, k int, grow bool) *fate {
	i := n*uint64(o.perMessage) + uint64(k)
	page := i / fatePage
	o.mu.RLock()
	if page < uint64(len(o.pages)) {
		f := &o.pages[page][i%fatePage]
		o.mu.RUnlock()
		return f
	}
	o.mu.RUnlock()
	if !grow {
		return nil
	}
	o.mu.Lock()
	for uint64(len(o.pages)) <= page {
		o.pages = append(o.pages, new([fatePage]fate))
	}
	f := &o.pages[page][i%fatePage]
	o.mu.Unlock()
	return f
}

// Sending notes that message n is about to be sent: the load calls it before the first byte.
func (o *Oracle) Sending(n uint64) { o.fate(n, o.perMessage-1, true) }

// Acked notes the 250 for message n.
func (o *Oracle) Acked(n uint64) {
	now := o.now()
	for k := range o.perMessage {
		f := o.fate(n, k, true)
		f.ackedAt.Store(now)
		o.acked.Add(1)
		o.mark(f, fateAcked)
	}
}

// Refused notes that the relay refused message n with a reply: it must not arrive.
func (o *Oracle) Refused(n uint64) {
	for k := range o.perMessage {
		o.mark(o.fate(n, k, true), fateRefused)
	}
}

// mark sets a flag; a recipient both acknowledged and ended is settled, whichever came last.
func (o *Oracle) mark(f *fate, flag uint32) {
	const both = fateAcked | fateEnded
	old := f.flags.Or(flag)
	if old&both != both && (old|flag)&both == both {
		o.settled.Add(1)
		if at := f.arrivedAt.Load(); at != 0 {
			o.Delivered.Add(time.Duration(at - f.ackedAt.Load()))
		}
	}
}

// Arrived notes a message that a receiving host takes: the world's OnMessage.
func (o *Oracle) Arrived(m *world.Message) {
	if m.Sender == "" {
		o.bounces.Add(1)
		return
	}
	n, whole := readLetter(m.Content, o.crc)
	if !whole {
		o.corrupted.Add(1)
	}
	if o.signatures > 0 && message.CountFields(m.Content, "DKIM-Signature") < o.signatures {
		o.unsigned.Add(1)
	}
	now := o.now()
	o.lastSeen.Store(now)
	for _, r := range m.Recipients {
		id, k, ok := readRecipient(r)
		if ok && whole && id != n {
			o.mixed.Add(1)
		}
		var f *fate
		if ok && k < o.perMessage {
			f = o.fate(id, k, false)
		}
		if f == nil {
			o.strangers.Add(1)
			continue
		}
		o.arrived.Add(1)
		if f.count.Add(1) > 1 {
			continue
		}
		f.arrivedAt.Store(now)
		o.mark(f, fateEnded)
	}
}

// RefusedThere notes a recipient refused by a receiving host: the world's OnRefused. A refusal
// for good is an end.
func (o *Oracle) RefusedThere(r world.Refusal) {
	if r.Code < 500 || strings.HasSuffix(r.Recipient, "@"+SenderDomain) {
		o.deferrals.Add(1)
		return
	}
	if n, k, ok := readRecipient(r.Recipient); ok && k < o.perMessage {
		if f := o.fate(n, k, false); f != nil {
			o.mark(f, fateRejected|fateEnded)
		}
	}
}

// Pending is how many acknowledged recipients have not ended yet.
func (o *Oracle) Pending() int64 { return o.acked.Load() - o.settled.Load() }

// Counts returns recipients acknowledged and deliveries so far.
func (o *Oracle) Counts() (acked, arrived int64) { return o.acked.Load(), o.arrived.Load() }

// LastArrival is when the newest message arrived; the zero time if none did.
func (o *Oracle) LastArrival() time.Time { return o.at(o.lastSeen.Load()) }

// FirstOf is when the first of the messages numbered below n arrived; the zero time if none did.
func (o *Oracle) FirstOf(n uint64) time.Time {
	first := int64(0)
	for i := range n * uint64(o.perMessage) {
		f := o.fate(i/uint64(o.perMessage), int(i%uint64(o.perMessage)), false)
		if f == nil {
			break
		}
		if at := f.arrivedAt.Load(); at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	return o.at(first)
}

func (o *Oracle) at(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return o.begin.Add(time.Duration(ns))
}

// Tally judges. Call it when nothing arrives any more.
func (o *Oracle) Tally() Tally {
	t := Tally{
		Corrupted: o.corrupted.Load(), Mixed: o.mixed.Load(), Unsigned: o.unsigned.Load(),
		Strangers: o.strangers.Load(), Bounces: o.bounces.Load(),
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, page := range o.pages {
		for i := range page {
			page[i].tally(&t)
		}
	}
	return t
}

func (f *fate) tally(t *Tally) {
	flags, count := f.flags.Load(), int64(f.count.Load())
	if count > 0 {
		t.Delivered++
		t.Doubled += count - 1
	}
	if flags&fateRejected != 0 {
		t.Rejected++
	}
	switch {
	case flags&fateAcked != 0:
		t.Acknowledged++
		if flags&fateEnded == 0 {
			t.Lost++
		}
	case count > 0 && flags&fateRefused != 0:
		t.AfterRefusal++
	case count > 0:
		t.InDoubt++
	}
}
