package relay

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEventsAddUp(t *testing.T) {
	l := openLog(t, EventLogOptions{})
	for _, e := range sampleEvents() {
		if err := l.Append([]Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	s := l.Stats()
	for typ, n := range s.Types {
		if n != 1 {
			t.Errorf("%s: %d", EventType(typ), n)
		}
	}
	if s.AcceptedRecipients != 3 || s.AcceptedBytes != 4200 || s.AcceptedBy["submission"] != 1 {
		t.Errorf("accepted: %d recipients, %d bytes, by %v", s.AcceptedRecipients, s.AcceptedBytes, s.AcceptedBy)
	}
	if s.Replies[EventDelivered][2] != 1 || s.Replies[EventDeferred][4] != 1 || s.Replies[EventBounced][5] != 1 || s.Replies[EventExpired][0] != 1 {
		t.Errorf("replies: %v", s.Replies)
	}
	if got := s.DeliverySeconds.Sum; got != 0.107 {
		t.Errorf("delivered in %v s", got)
	}
	// One attempt for three recipients: it waits 40 µs for DNS, connects until 12 ms, is greeted at 20,
	// has TLS at 36 and EHLO at 42, DATA at 62, the end of the content at 104 ms.
	sums := map[string]int{}
	for p, h := range s.PhaseSeconds {
		sums[Phase(p).String()] = int(h.Sum*1e6 + 0.5)
	}
	want := map[string]int{"dns": 40, "connect": 11_960, "tls": 16_000, "mail": 20_000, "data": 42_000}
	if diff := cmp.Diff(want, sums); diff != "" {
		t.Errorf("phases in µs (-want +got):\n%s", diff)
	}
}

// Two recipients of one transaction share its steps: they are counted once.
func TestSharedStepsCountOnce(t *testing.T) {
	var tally eventTally
	a := sampleEvents()[EventDelivered]
	b := a
	tally.add(&a)
	tally.add(&b)
	if n := tally.PhaseSeconds[PhaseConnect].Counts; sumCounts(n[:]) != 1 {
		t.Errorf("connect counted %v", n)
	}
	if n := tally.DeliverySeconds.Counts; sumCounts(n[:]) != 2 {
		t.Errorf("deliveries %v", n)
	}
}

func TestListenersAreBounded(t *testing.T) {
	var tally eventTally
	for n := range 3 * MaxStatListeners {
		e := Event{Type: EventAccepted, Listener: time.Duration(n).String()}
		tally.add(&e)
	}
	if len(tally.AcceptedBy) > MaxStatListeners+1 || tally.AcceptedBy[""] != 2*MaxStatListeners {
		t.Errorf("%d names, %d under no name", len(tally.AcceptedBy), tally.AcceptedBy[""])
	}
}

func sumCounts(counts []uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}
