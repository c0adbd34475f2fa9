package limit

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func newHarvest(t *testing.T, o HarvestOptions) (*Harvest, *clock) {
	t.Helper()
	c := newClock()
	o.Now = c.now
	h, err := NewHarvest(o)
	if err != nil {
		t.Fatal(err)
	}
	return h, c
}

// Guesses become slow, then close the door; after a window of silence it is open again.
func TestHarvest(t *testing.T) {
	h, c := newHarvest(t, HarvestOptions{Free: 3, Refuse: 10, MaxDelay: 5 * time.Second})
	var waits []time.Duration
	for range 9 {
		wantText(t, h.Check(client), "")
		wait, err := h.Unknown(client)
		wantText(t, err, "")
		waits = append(waits, wait)
	}
	if got := fmt.Sprint(waits); got != "[0s 0s 0s 1s 2s 4s 5s 5s 5s]" {
		t.Error(got)
	}
	for range 20 {
		_, err := h.Unknown(client)
		wantText(t, err, "421 4.7.0 too many unknown recipients; try again later")
	}
	wantText(t, h.Check(client), "421 4.7.0 too many unknown recipients; try again later")
	wantText(t, h.Check(netip.MustParseAddr("192.0.2.2")), "")
	c.pass(time.Minute) // one is forgotten
	wantText(t, h.Check(client), "")
	c.pass(10 * time.Minute)
	if wait, err := h.Unknown(client); wait != 0 || err != nil {
		t.Error(wait, err)
	}
	if m := h.Metrics(); m.Refused != 21 || m.Delayed != 6 || m.Clients != 1 {
		t.Errorf("%+v", m)
	}
}

func TestHarvestClients(t *testing.T) {
	h, _ := newHarvest(t, HarvestOptions{Free: 1, Refuse: 2, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	for _, a := range []string{"2001:db8::1", "2001:db8::2", "10.0.0.1", "10.0.0.1", "::ffff:10.0.0.1"} {
		_, _ = h.Unknown(netip.MustParseAddr(a))
	}
	_, _ = h.Unknown(netip.Addr{})
	if h.Check(netip.MustParseAddr("2001:db8::3")) == nil || h.Check(netip.MustParseAddr("10.0.0.1")) != nil || h.Check(netip.Addr{}) != nil {
		t.Error("wrong clients")
	}
	for _, o := range []HarvestOptions{{Free: 5, Refuse: 5}, {Delay: time.Minute}, {Window: 1}} {
		if _, err := NewHarvest(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestHarvestBounded(t *testing.T) {
	h, _ := newHarvest(t, HarvestOptions{Clients: 100})
	for range 50 {
		_, _ = h.Unknown(client)
	}
	for i := range 10_000 {
		_, _ = h.Unknown(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	if m := h.Metrics(); m.Clients > 100 {
		t.Errorf("%+v", m)
	}
	if h.Check(client) == nil {
		t.Error("pushed out by clients that owe less")
	}
}
