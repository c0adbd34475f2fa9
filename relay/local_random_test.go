package relay

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/policy/address"
)

// worldMailboxes are the mailboxes of a random world: everybody has one, and sometimes they are slow, or full, or fail
// before or after the copies are stored.
type worldMailboxes struct {
	world *world
	mu    sync.Mutex
	keys  map[string]bool
}

const worldLocal = "here.test"

// addLocal makes one of the world's domains a local one.
func (w *world) addLocal() {
	book, err := address.New(address.Config{Domains: []string{worldLocal}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.domains = append(w.domains, worldLocal, worldLocal)
	w.local = &Local{Addresses: book, Mailboxes: &worldMailboxes{world: w, keys: map[string]bool{}}}
}

func (m *worldMailboxes) Has(string) bool          { return true }
func (m *worldMailboxes) Room(string, int64) error { return nil }

func (m *worldMailboxes) Deliver(_ context.Context, d mailbox.Delivery) ([]error, error) {
	w := m.world
	time.Sleep(w.span(0, []time.Duration{time.Millisecond, 2 * time.Second, 20 * time.Second}[w.intn(3)]))
	if w.chance(0.1) {
		return nil, errors.New("not now")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	errs := make([]error, len(d.Copies))
	for i, c := range d.Copies {
		if !strings.HasPrefix(string(c.Header), "Return-Path: <") || !strings.Contains(string(c.Header), "\r\nDelivered-To: "+c.Account+"\r\n") {
			w.wrong("%s has the header %q", c.Account, c.Header)
		}
		switch key := d.ID + " " + c.Key; {
		case m.keys[key]:
		case w.chance(0.1):
			errs[i] = mailbox.ErrOverQuota
		case w.chance(0.05):
			errs[i] = mailbox.ErrNoAccount
		default:
			m.keys[key] = true
			w.mu.Lock()
			w.taken[c.Account]++
			w.mu.Unlock()
		}
	}
	if w.chance(0.05) {
		return nil, errors.New("who knows what is on the disk")
	}
	return errs, nil
}
