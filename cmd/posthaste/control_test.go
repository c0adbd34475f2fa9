package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/policy/greylist"
	"github.com/posthaste-mta/posthaste/policy/store"
	"github.com/posthaste-mta/posthaste/policy/suppress"
	"github.com/posthaste-mta/posthaste/queue"
)

// startDaemon answers at the control socket for a daemon with three recipients in its queue: daemon
// [damaged]; the commands find it by their environment.
func startDaemon(ts *testscript.TestScript, neg bool, args []string) {
	path := filepath.Join(ts.Getenv("WORK"), "ctl.sock")
	l, err := admin.ListenControl(path)
	ts.Check(err)
	d := &fakeDaemon{missing: int64(len(args))}
	kept, err := store.Open(store.Options{Dir: filepath.Join(ts.Getenv("WORK"), "policy")})
	ts.Check(err)
	list, err := suppress.Open(context.Background(), suppress.Options{Store: kept, Now: func() time.Time { return fakeStart }})
	ts.Check(err)
	waiting, err := greylist.Open(context.Background(), greylist.Options{Store: kept, Now: func() time.Time { return fakeStart }})
	ts.Check(err)
	_, err = waiting.Check(context.Background(), greylist.Attempt{
		Client: netip.MustParseAddr("192.0.2.7"), Sender: "ann@a.example", Recipient: message.Address{Local: "bob", Domain: "x.example"}})
	ts.Check(err)
	ts.Defer(func() { ts.Check(errors.Join(waiting.Close(), list.Close(), kept.Close())) })
	book, err := auth.OpenBook(context.Background(), kept, nil)
	ts.Check(err)
	mails, err := mailbox.Open(mailbox.Options{Dir: filepath.Join(ts.Getenv("WORK"), "mailbox")})
	ts.Check(err)
	ts.Defer(func() { ts.Check(mails.Close()) })
	c := admin.Control{Relay: d, Tools: admin.Tools{
		Trace: func(_ context.Context, w io.Writer, id message.ID) error {
			_, err := fmt.Fprintf(w, "the life of %s\n", id)
			return err
		},
		Resolve: func(_ context.Context, w io.Writer, domain string) error {
			_, err := fmt.Fprintf(w, "%s goes to mx.%s\n", domain, domain)
			return err
		},
		Reload:      func(context.Context) ([]string, error) { return []string{"dns.timeout"}, nil },
		Suppression: list,
		Greylist:    admin.LocalGreylist{Greylist: waiting},
		Credentials: admin.BookCredentials(book),
		Users: admin.LocalUsers{
			Store: mails, Book: book,
			Local: func(domain string) bool { return domain == "example.com" }, Quota: func() int64 { return 1 << 20 },
		},
	}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Serve(ctx, l)
	}()
	ts.Defer(func() { cancel(); <-done })
	ts.Setenv("POSTHASTE_SOCKET", path)
}

// fakeDaemon is a relay whose queue never changes.
type fakeDaemon struct{ missing int64 }

var fakeStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (d *fakeDaemon) entries() []queue.Entry {
	full := message.Status{Code: 452, Enhanced: message.EnhancedCode{4, 2, 2}, Text: "mailbox full\x1b[2J", Remote: true}
	one := queue.Entry{
		ID: 1 << 60, Sender: "shop@example.net", Size: 4096, Arrived: fakeStart, Domain: "example.com",
		Attempts: 2, Due: fakeStart.Add(time.Hour), State: queue.Waiting,
		Recipient: message.Recipient{Address: "ann@example.com", Last: full},
	}
	two := one
	two.Recipient.Address = "bob@example.com"
	three := queue.Entry{
		ID: 1<<60 + 1, Size: 100, Arrived: fakeStart, Domain: "example.org",
		State: queue.OnHold, Recipient: message.Recipient{Address: "carol@example.org"},
	}
	return []queue.Entry{one, two, three}
}

func (d *fakeDaemon) List(_ context.Context, f queue.Filter, limit int) iter.Seq2[queue.Entry, error] {
	return func(yield func(queue.Entry, error) bool) {
		for i, e := range d.entries() {
			if limit > 0 && i >= limit || f.Domain != "" && f.Domain != e.Domain ||
				len(f.IDs) > 0 && !slices.Contains(f.IDs, e.ID) {
				continue
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (d *fakeDaemon) Count(ctx context.Context, f queue.Filter) (n queue.Counts, err error) {
	for e := range d.List(ctx, f, 0) {
		n.Recipients[e.State]++
	}
	return n, nil
}

func (d *fakeDaemon) changed(f queue.Filter) (queue.Changed, error) {
	n, err := d.Count(context.Background(), f)
	return queue.Changed{Recipients: n.Recipients[queue.Waiting], Skipped: n.Recipients[queue.OnHold]}, err
}

func (d *fakeDaemon) Retry(_ context.Context, f queue.Filter) (queue.Changed, error) {
	return d.changed(f)
}
func (d *fakeDaemon) Hold(_ context.Context, f queue.Filter) (queue.Changed, error) {
	return d.changed(f)
}
func (d *fakeDaemon) Resume(_ context.Context, f queue.Filter) (queue.Changed, error) {
	return d.changed(f)
}
func (d *fakeDaemon) Drop(_ context.Context, f queue.Filter) (queue.Changed, error) {
	return d.changed(f)
}

func (d *fakeDaemon) Bounce(_ context.Context, f queue.Filter, reason string) (queue.Changed, error) {
	if reason == "" {
		return queue.Changed{}, errors.New("no reason was given")
	}
	return d.changed(f)
}

func (d *fakeDaemon) Audit(context.Context) (queue.Audit, error) {
	a := queue.Audit{Accepted: 10 + d.missing, Queued: 3, Held: 1}
	a.Ended[message.Delivered], a.Ended[message.Bounced] = 6, 1
	return a, nil
}

func (d *fakeDaemon) Backup(_ context.Context, dir string) error {
	if !filepath.IsAbs(dir) {
		return errors.New("not an absolute path")
	}
	return nil
}

func (d *fakeDaemon) SiteDomains(site string) []string { return nil }

func TestShortUnits(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 4096: "4.0 KiB", 300 << 10: "300 KiB", 5 << 30: "5.0 GiB"} {
		if got := shortSize(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		time.Second: "1s", 5 * time.Minute: "5m", 24 * time.Hour: "24h", 72 * time.Hour: "3d",
	} {
		if got := shortAge(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
