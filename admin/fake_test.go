package admin

import (
	"context"
	"errors"
	"flag"
	"iter"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, diff)
	}
}

var start = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

func idOf(n int) message.ID {
	var ids message.IDs
	ids.Now = func() time.Time { return start.Add(time.Duration(n) * time.Second) }
	return ids.Next()
}

// fakeRelay is a queue in a slice that writes down what is asked of it.
type fakeRelay struct {
	entries []queue.Entry
	endless bool  // list goes on for ever
	fail    error // of List, after the entries
	ended   chan struct{}

	act    string
	filter queue.Filter
	reason string
}

func (r *fakeRelay) List(ctx context.Context, f queue.Filter, limit int) iter.Seq2[queue.Entry, error] {
	r.filter = f
	return func(yield func(queue.Entry, error) bool) {
		if r.ended != nil {
			defer close(r.ended)
		}
		for i := 0; ; i++ {
			if i == limit && limit > 0 || i >= len(r.entries) && !r.endless {
				break
			}
			if !yield(r.entries[i%len(r.entries)], nil) {
				return
			}
		}
		if r.fail != nil {
			yield(queue.Entry{}, r.fail)
		}
	}
}

func (r *fakeRelay) Count(ctx context.Context, f queue.Filter) (queue.Counts, error) {
	r.filter = f
	return queue.Counts{Recipients: [4]int64{1, 2, 3, 4}, Groups: 5}, nil
}

func (r *fakeRelay) did(act string, f queue.Filter) (queue.Changed, error) {
	r.act, r.filter = act, f
	return queue.Changed{Recipients: 7, Skipped: 1}, nil
}

func (r *fakeRelay) Retry(ctx context.Context, f queue.Filter) (queue.Changed, error) {
	return r.did("retry", f)
}

func (r *fakeRelay) Hold(ctx context.Context, f queue.Filter) (queue.Changed, error) {
	return r.did("hold", f)
}

func (r *fakeRelay) Resume(ctx context.Context, f queue.Filter) (queue.Changed, error) {
	return r.did("resume", f)
}

func (r *fakeRelay) Drop(ctx context.Context, f queue.Filter) (queue.Changed, error) {
	return r.did("drop", f)
}

func (r *fakeRelay) Bounce(ctx context.Context, f queue.Filter, reason string) (queue.Changed, error) {
	r.reason = reason
	return r.did("bounce", f)
}

func (r *fakeRelay) Audit(ctx context.Context) (queue.Audit, error) {
	a := queue.Audit{Accepted: 100, Damaged: 1, Queued: 25, Held: 2}
	a.Ended[message.Delivered], a.Ended[message.Bounced], a.Ended[message.Expired] = 60, 8, 2
	return a, nil
}

func (r *fakeRelay) Backup(ctx context.Context, dir string) error {
	if dir == "/taken" {
		return errors.New("backup: /taken exists")
	}
	return nil
}

func (r *fakeRelay) SiteDomains(site string) []string {
	if site == "mx.example.net" {
		return []string{"example.net", "example.org"}
	}
	return nil
}

// fakeEntries are a message for three at two domains, a held one from the null sender, and one that is
// under way.
func fakeEntries() []queue.Entry {
	greylisted := message.Status{Code: 451, Enhanced: message.EnhancedCode{4, 7, 1}, Text: "Greylisted,\ncome\x1b[2J back", Remote: true}
	entry := func(id int, to, domain string, state queue.State) queue.Entry {
		return queue.Entry{
			ID: idOf(id), Sender: "shop@a.test", Size: 4200, Arrived: start.Add(time.Duration(id) * time.Second),
			Domain: domain, Recipient: message.Recipient{Address: to, Domain: domain}, State: state, Due: start,
		}
	}
	a := entry(0, "bob@example.net", "example.net", queue.Waiting)
	a.Recipient.Last, a.Attempts, a.Due = greylisted, 2, start.Add(time.Hour)
	b := a
	b.Recipient.Address = "eve@example.net"
	c := entry(0, "joe@other.test", "other.test", queue.Active)
	d := entry(1, "shop@a.test", "a.test", queue.OnHold)
	d.Sender, d.Tenant, d.Class = "", "shop", message.ClassTransactional
	e := entry(2, "ann@example.net", "example.net", queue.InFlight)
	return []queue.Entry{a, b, c, d, e}
}

// serve starts the control API on a socket and returns its client.
func serve(t *testing.T, c *Control) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ctl.sock")
	l, err := ListenControl(path)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, l, c.Serve)
	client := NewClient(path)
	t.Cleanup(client.Close)
	return client
}

// serveOn runs a server until the test ends.
func serveOn(t *testing.T, l net.Listener, serve func(context.Context, net.Listener) error) {
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}
