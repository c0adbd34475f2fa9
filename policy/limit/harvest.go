package limit

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// HarvestOptions say how clients that guess at addresses are treated. Zero values mean the defaults.
type HarvestOptions struct {
	// Window is the time within which unknown recipients are counted: 10 min.
	Window time.Duration
	// Free is how many of them cost nothing: 10. People mistype.
	Free int
	// Refuse is how many close the connection: 50.
	Refuse int
	// Delay is how long the reply to the first that is not free waits: 1 s. It doubles with each, up to
	// MaxDelay: 15 s, which no client takes for a dead server.
	Delay, MaxDelay time.Duration
	// Exempt are networks that are never delayed nor refused.
	Exempt []netip.Prefix
	// Clients bounds the clients that are remembered: 65,536.
	Clients int
	// Now is the clock; nil means the real one.
	Now func() time.Time
}

// Harvest counts recipients that do not exist by client address (an IPv6 client is its /64). A client
// that stays below Refuse in a Window is never refused. Safe for concurrent use.
type Harvest struct {
	o      HarvestOptions
	forget time.Duration // after which one is forgotten

	mu sync.Mutex
	// clear is when the last unknown recipient of a client will be forgotten: they leak, one each forget.
	clear map[netip.Prefix]time.Time

	delayed, refused atomic.Int64
}

// NewHarvest returns a Harvest.
func NewHarvest(o HarvestOptions) (*Harvest, error) {
	setDefault(&o.Window, 10*time.Minute)
	setDefault(&o.Free, 10)
	setDefault(&o.Refuse, 50)
	setDefault(&o.Delay, time.Second)
	setDefault(&o.MaxDelay, 15*time.Second)
	setDefault(&o.Clients, 65536)
	if o.Now == nil {
		o.Now = time.Now
	}
	switch {
	case o.Free >= o.Refuse:
		return nil, fmt.Errorf("limit: %d free unknown recipients are not less than %d that close the connection", o.Free, o.Refuse)
	case o.Delay > o.MaxDelay:
		return nil, fmt.Errorf("limit: delay %v is longer than the longest, %v", o.Delay, o.MaxDelay)
	case o.Window/time.Duration(o.Refuse) <= 0:
		return nil, errors.New("limit: window too short")
	}
	return &Harvest{o: o, forget: o.Window / time.Duration(o.Refuse), clear: make(map[netip.Prefix]time.Time)}, nil
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Unknown counts a recipient that was refused with 550 5.1.1 and returns how long that reply has to
// wait (the caller waits, under the session's context). With an error, a message.Status 421 4.7.0, the
// connection is to be closed instead.
func (h *Harvest) Unknown(client netip.Addr) (time.Duration, error) {
	if h.exempt(client) {
		return 0, nil
	}
	n := h.count(site(client))
	if n >= h.o.Refuse {
		h.refused.Add(1)
		return 0, harvestStatus()
	}
	if n <= h.o.Free {
		return 0, nil
	}
	h.delayed.Add(1)
	wait := h.o.Delay
	for i := h.o.Free + 1; i < n && wait < h.o.MaxDelay; i++ {
		wait *= 2
	}
	return min(wait, h.o.MaxDelay), nil
}

// Check tells whether a client may connect: nil, or 421 4.7.0 while what it did is not forgotten.
func (h *Harvest) Check(client netip.Addr) error {
	if h.exempt(client) {
		return nil
	}
	h.mu.Lock()
	left := h.clear[site(client)].Sub(h.o.Now())
	h.mu.Unlock()
	if h.level(left) < h.o.Refuse {
		return nil
	}
	h.refused.Add(1)
	return harvestStatus()
}

// level is how many are not forgotten.
func (h *Harvest) level(left time.Duration) int { return int((left + h.forget - 1) / h.forget) }

func (h *Harvest) count(p netip.Prefix) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.o.Now()
	clear, ok := h.clear[p]
	if !ok && len(h.clear) >= h.o.Clients {
		h.evict(now)
	}
	if clear.Before(now) {
		clear = now
	}
	// No more than Refuse are remembered: who goes on after that must not be shut out for ever.
	if limit := now.Add(h.o.Window); clear.Add(h.forget).Before(limit) {
		clear = clear.Add(h.forget)
	} else {
		clear = limit
	}
	h.clear[p] = clear
	return h.level(clear.Sub(now))
}

// evict forgets, of a random few, the client that would be forgotten first anyway.
func (h *Harvest) evict(now time.Time) {
	var first netip.Prefix
	var when time.Time
	seen := 0
	for p, clear := range h.clear {
		if when.IsZero() || clear.Before(when) {
			first, when = p, clear
		}
		if seen++; seen >= sample || when.Before(now) {
			break
		}
	}
	delete(h.clear, first)
}

func (h *Harvest) exempt(client netip.Addr) bool {
	client = client.Unmap().WithZone("")
	if !client.IsValid() { // a local socket: all its clients are one address
		return true
	}
	for _, p := range h.o.Exempt {
		if p.Contains(client) {
			return true
		}
	}
	return false
}

func harvestStatus() error {
	return message.Status{Code: 421, Enhanced: message.EnhancedCode{4, 7, 0}, Text: "too many unknown recipients; try again later"}
}

// HarvestMetrics is what a Harvest has done and holds.
type HarvestMetrics struct {
	Delayed, Refused int64
	Clients          int // remembered
}

// Metrics returns the figures of now.
func (h *Harvest) Metrics() HarvestMetrics {
	h.mu.Lock()
	defer h.mu.Unlock()
	return HarvestMetrics{Delayed: h.delayed.Load(), Refused: h.refused.Load(), Clients: len(h.clear)}
}
