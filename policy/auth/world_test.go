package auth

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/posthaste-mta/posthaste/policy/store"
)

// world is a Book on a store in memory with a clock of its own, and who asks it.
type world struct {
	t     testing.TB
	fs    vfs.FS
	store *store.Store
	clock time.Time
	book  *Book
	guard *Guard
	auth  *Authenticator
}

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("198.51.100.7")
)

// cheap is a cost for tests.
func cheap() cost { return cost{passes: 1, kib: 64, lanes: 1, iterations: 4096} }

func newWorld(t testing.TB) *world {
	w := &world{t: t, fs: vfs.NewMem(), clock: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}
	w.open()
	t.Cleanup(func() { _ = w.store.Close() })
	w.guard = NewGuard(GuardOptions{Now: w.now, Delay: 1, MaxDelay: 1})
	w.auth = New(w.book, w.guard, nil)
	return w
}

func (w *world) now() time.Time { return w.clock }

func (w *world) open() {
	w.t.Helper()
	var err error
	if w.store, err = store.Open(store.Options{Dir: "policy", FS: w.fs}); err != nil {
		w.t.Fatal(err)
	}
	if w.book, err = OpenBook(context.Background(), w.store, w.now); err != nil {
		w.t.Fatal(err)
	}
	w.book.cost = cheap()
}

// reopen is a restart.
func (w *world) reopen() {
	w.t.Helper()
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
	w.auth = New(w.book, w.guard, nil)
}

const secret = "correct horse battery"

// add makes a credential that may send as example.com.
func (w *world) add(name string) {
	w.t.Helper()
	if _, err := w.book.Add(context.Background(), Credential{Name: name, Senders: []string{"example.com"}}, secret); err != nil {
		w.t.Fatal(err)
	}
}

// login is PLAIN from an address.
func (w *world) login(from netip.Addr, name, secret string) (*Live, error) {
	x, err := w.auth.Begin(context.Background(), Plain, Client{Addr: from})
	if err != nil {
		return nil, err
	}
	_, _, err = x.Next([]byte("\x00" + name + "\x00" + secret))
	return x.Live(), err
}

func (w *world) mustLogin(from netip.Addr, name, secret string) *Live {
	w.t.Helper()
	l, err := w.login(from, name, secret)
	if err != nil || l == nil {
		w.t.Fatalf("login of %s: %v", name, err)
	}
	return l
}
