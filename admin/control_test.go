package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/relay"
)

func TestListAsJSON(t *testing.T) {
	client := serve(t, &Control{Relay: &fakeRelay{entries: fakeEntries()}})
	var out strings.Builder
	lines := json.NewEncoder(&out)
	for item, err := range client.List(t.Context(), Filter{}, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if err := lines.Encode(item); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "list.jsonl", out.String())
}

func TestListAsMailq(t *testing.T) {
	r := &fakeRelay{entries: fakeEntries()}
	client := serve(t, &Control{Relay: r})
	var out strings.Builder
	if err := WriteMailq(&out, client.List(t.Context(), Filter{Domain: "a.test"}, 0), time.UTC); err != nil {
		t.Fatal(err)
	}
	golden(t, "mailq", out.String())
	if r.filter.Domain != "a.test" {
		t.Errorf("asked for %+v", r.filter)
	}

	out.Reset()
	r.entries = nil
	if err := WriteMailq(&out, client.List(t.Context(), Filter{}, 0), time.UTC); err != nil {
		t.Fatal(err)
	}
	if out.String() != "Mail queue is empty\n" {
		t.Errorf("empty: %q", out.String())
	}
}

// A long list flows through without being held anywhere, the recipients of one message joined a few
// hundred at a time.
func TestLongList(t *testing.T) {
	entries := fakeEntries()[:1]
	client := serve(t, &Control{Relay: &fakeRelay{entries: entries, endless: true}})
	n := 0
	for item, err := range client.List(t.Context(), Filter{}, 50_000) {
		if err != nil {
			t.Fatal(err)
		}
		if len(item.Recipients) > maxItemRecipients {
			t.Fatalf("an item of %d recipients", len(item.Recipients))
		}
		n += len(item.Recipients)
	}
	if n != 50_000 {
		t.Errorf("%d recipients", n)
	}
}

// A reader that has seen enough ends the walk over the queue.
func TestListEndsWithItsReader(t *testing.T) {
	r := &fakeRelay{entries: fakeEntries(), endless: true, ended: make(chan struct{})}
	client := serve(t, &Control{Relay: r})
	for _, err := range client.List(t.Context(), Filter{}, 0) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	<-r.ended
}

func TestListThatFailsInTheMiddle(t *testing.T) {
	client := serve(t, &Control{Relay: &fakeRelay{entries: fakeEntries(), fail: errors.New("store: disk is gone")}})
	items := 0
	var failed error
	for item, err := range client.List(t.Context(), Filter{}, 0) {
		if err != nil {
			failed = err
			break
		}
		items += len(item.Recipients)
	}
	if items != 5 || failed == nil || failed.Error() != "store: disk is gone" {
		t.Errorf("%d items, then %v", items, failed)
	}
}

func TestActs(t *testing.T) {
	r := &fakeRelay{}
	client := serve(t, &Control{Relay: r})
	for _, tc := range []struct {
		act    Act
		filter Filter
		all    bool
		want   string // what the relay was asked, or the problem
	}{
		{act: Retry, want: "retry"},
		{act: Hold, filter: Filter{Domain: "a.test"}, want: "hold"},
		{act: Release, want: "resume"},
		{act: Drop, filter: Filter{Sender: "@spam.test"}, want: "drop"},
		{act: Drop, want: "400 this would drop the whole queue: give a filter, or say all"},
		{act: Drop, all: true, want: "drop"},
		{act: Bounce, want: "400 this would bounce the whole queue: give a filter, or say all"},
		{act: Bounce, filter: Filter{Older: Age(time.Hour)}, want: "bounce"},
		{act: "burn", want: "404 no such act: want retry, hold, release, drop or bounce"},
		{act: Hold, filter: Filter{Site: "x"}, want: "404 site: no mail is known for this site"},
	} {
		r.act, r.filter = "", queue.Filter{}
		result, err := client.Act(t.Context(), tc.act, tc.filter, tc.all, "spam run")
		got := r.act
		var p *Problem
		if errors.As(err, &p) {
			got = fmt.Sprintf("%d %v", p.Status, p)
		} else if err != nil {
			t.Errorf("%s: %v", tc.act, err)
		} else if (result != ActResult{Recipients: 7, Skipped: 1}) {
			t.Errorf("%s: %+v", tc.act, result)
		}
		if got != tc.want {
			t.Errorf("%s %+v: %s, want %s", tc.act, tc.filter, got, tc.want)
		}
	}
	if r.reason != "spam run" {
		t.Errorf("reason %q", r.reason)
	}
	if _, err := client.Act(t.Context(), Bounce, Filter{Tenant: "x"}, false, strings.Repeat("x", 201)); err == nil {
		t.Error("a reason of any length")
	}
}

func TestCountAuditAndStats(t *testing.T) {
	r := &fakeRelay{entries: fakeEntries()}
	client := serve(t, &Control{Relay: r})
	count, err := client.Count(t.Context(), Filter{Tenant: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	want := Count{Messages: 5, Recipients: 10, Ready: 1, Waiting: 2, Held: 3, Delivering: 4}
	if diff := cmp.Diff(want, count); diff != "" || r.filter.Tenant != "shop" {
		t.Errorf("of %+v (-want +got):\n%s", r.filter, diff)
	}

	audit, err := client.Audit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantAudit := Audit{Accepted: 100, Delivered: 60, Bounced: 8, Expired: 2, Damaged: 1, Queued: 25, Held: 2, Missing: 4}
	if diff := cmp.Diff(wantAudit, audit); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}

	stats, err := client.Stats(t.Context(), Filter{}, "sender", 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(stats.Rows) != 1 || stats.Rows[0].Name != "a.test" || stats.More != 1 || stats.Total.Recipients != 5 {
		t.Errorf("%+v", stats)
	}
	if _, err := client.Stats(t.Context(), Filter{}, "colour", 1); err == nil {
		t.Error("stats by colour")
	}
}

func TestStatsByAge(t *testing.T) {
	tally := statsTally{name: statsNames["domain"], rows: make(map[string]*StatsRow), now: start.Add(25 * time.Hour)}
	for i, e := range fakeEntries() {
		e.Arrived = e.Arrived.Add(time.Duration(i) * 6 * time.Hour)
		tally.add(&e)
	}
	var out strings.Builder
	stats := tally.stats("domain", 2)
	for _, row := range append([]StatsRow{stats.Total}, stats.Rows...) {
		fmt.Fprintf(&out, "%s %d: %d ready, %d waiting, %d held, %d delivering; by age %d, oldest %ds\n", row.Name,
			row.Recipients, row.Ready, row.Waiting, row.Held, row.Delivering, row.Ages, row.Oldest)
	}
	want := "TOTAL 5: 1 ready, 2 waiting, 1 held, 1 delivering; by age [0 0 1 0 1 2 1 0], oldest 90000s\n" +
		"example.net 3: 0 ready, 2 waiting, 0 held, 1 delivering; by age [0 0 1 0 0 1 1 0], oldest 90000s\n" +
		"a.test 1: 0 ready, 0 waiting, 1 held, 0 delivering; by age [0 0 0 0 1 0 0 0], oldest 25199s\n"
	if diff := cmp.Diff(want, out.String()); diff != "" || stats.More != 1 {
		t.Errorf("%d more (-want +got):\n%s", stats.More, diff)
	}
}

func reload(t *testing.T, client *Client) error {
	_, err := client.Reload(t.Context())
	return err
}

func TestTools(t *testing.T) {
	c := &Control{Relay: &fakeRelay{}}
	client := serve(t, c)
	var out bytes.Buffer
	for name, err := range map[string]error{
		"trace":   client.Trace(t.Context(), &out, idOf(1)),
		"resolve": client.Resolve(t.Context(), &out, "a.test"),
		"reload":  reload(t, client),
	} {
		var p *Problem
		if !errors.As(err, &p) || p.Status != http.StatusNotImplemented {
			t.Errorf("%s without the tool: %v", name, err)
		}
	}

	c = &Control{Relay: &fakeRelay{}, Tools: Tools{
		Trace: func(ctx context.Context, w io.Writer, id message.ID) error {
			if id != idOf(1) {
				return relay.ErrNoTrace
			}
			fmt.Fprintln(w, "a life")
			return errors.New("the disk is gone")
		},
		Resolve: func(ctx context.Context, w io.Writer, domain string) error {
			_, err := fmt.Fprintln(w, "route of", domain)
			return err
		},
		Reload: func(ctx context.Context) ([]string, error) { return nil, errors.New("posthaste.toml:3: no such key") },
	}}
	client = serve(t, c)
	if err := client.Trace(t.Context(), &out, idOf(1)); err != nil {
		t.Error(err)
	}
	if err := client.Resolve(t.Context(), &out, "B\u00fccher.example"); err != nil {
		t.Error(err)
	}
	if got, want := out.String(), "a life\n\nerror: the disk is gone\nroute of xn--bcher-kva.example\n"; got != want {
		t.Errorf("text %q", got)
	}
	var p *Problem
	if err := client.Trace(t.Context(), &out, idOf(2)); !errors.As(err, &p) || p.Status != http.StatusNotFound {
		t.Errorf("trace of an unknown message: %v", err)
	}
	if _, err := client.Reload(t.Context()); !errors.As(err, &p) || p.Status != http.StatusUnprocessableEntity || p.Detail != "posthaste.toml:3: no such key" {
		t.Errorf("reload: %v", err)
	}
	c.Tools.Reload = func(ctx context.Context) ([]string, error) { return []string{"dns.timeout"}, nil }
	if restart, err := client.Reload(t.Context()); err != nil || len(restart) != 1 || restart[0] != "dns.timeout" {
		t.Errorf("reload: %v, %v", restart, err)
	}
	if err := client.Backup(t.Context(), "/somewhere"); err != nil {
		t.Error(err)
	}
	if err := client.Backup(t.Context(), "/taken"); err == nil || err.Error() != "backup: /taken exists" {
		t.Errorf("backup: %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	client := NewClient(filepath.Join(t.TempDir(), "ctl.sock"))
	if _, err := client.Audit(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("error %v", err)
	}
}
