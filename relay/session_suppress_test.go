package relay

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/store"
	"github.com/posthaste-mta/posthaste/policy/suppress"
)

// suppressing gives the relay suppression lists; the function returned closes them.
func (s *story) suppressing(rule suppress.Rule, entries ...suppress.Entry) func() {
	s.t.Helper()
	return s.suppressingOn(vfs.NewMem(), rule, entries...)
}

func (s *story) suppressingOn(disk vfs.FS, rule suppress.Rule, entries ...suppress.Entry) func() {
	s.t.Helper()
	kept, err := store.Open(store.Options{Dir: "policy", FS: disk})
	if err != nil {
		s.t.Fatal(err)
	}
	list, err := suppress.Open(context.Background(), suppress.Options{Store: kept, Rule: rule})
	if err == nil {
		err = list.Add(context.Background(), entries...)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.policy.Suppression = list
	s.relay.SetPolicy(s.shaped())
	return func() {
		if err := list.Close(); err != nil {
			s.t.Error(err)
		}
		if err := kept.Close(); err != nil {
			s.t.Error(err)
		}
	}
}

// Whoever is on the list of the message's tenant, or on that for all, is accepted and ends with that: nothing of it is
// queued, the others get theirs, and the books are even.
func TestSuppressed(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		since := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		defer s.suppressing(suppress.Rule{Off: true},
			suppress.Entry{Target: "gone@x.test", Tenant: "shop", Reason: "complaint", Since: since, Evidence: suppress.Evidence{Event: "abc"}},
			suppress.Entry{Target: "y.test", Since: since})()
		for _, step := range []struct{ submit, want string }{
			{"from=ann@a.test tenant=shop to=gone@x.test,bob@x.test,Gone@X.test,gone@X.test", `accepted  1 <ann@a.test> for 3
suppressed 1 Gone@X.test: 550 5.7.1 gone@x.test is on the list of tenant shop since 2026-03-01: complaint, see abc
delivered 1 bob@x.test via mx.x.test: 250 2.0.0 Ok: taken
suppressed 1 gone@x.test: 550 5.7.1 gone@x.test is on the list of tenant shop since 2026-03-01: complaint, see abc
`},
			{"from=ann@a.test tenant=other to=gone@x.test", "accepted  2 <ann@a.test> for 1\ndelivered 2 gone@x.test via mx.x.test: 250 2.0.0 Ok: taken\n"},
			{"from=ann@a.test to=ann@y.test,bob@y.test", `accepted  3 <ann@a.test> for 2
suppressed 3 ann@y.test: 550 5.7.1 y.test is on the list for all tenants since 2026-03-01: manual
suppressed 3 bob@y.test: 550 5.7.1 y.test is on the list for all tenants since 2026-03-01: manual
`},
		} {
			expect(t, s.step("submit "+step.submit, nil), step.want)
		}
		a, err := s.relay.Audit(context.Background())
		if err != nil || a.Accepted != 6 || a.Ended[message.Suppressed] != 4 || a.Ended[message.Delivered] != 2 || a.Unaccounted() != 0 {
			t.Errorf("audit %+v, %v", a, err)
		}
	})
}

// Or the client is told.
func TestSuppressedRefused(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		defer s.suppressing(suppress.Rule{Off: true}, suppress.Entry{Target: "gone@x.test", Reason: "unsubscribe"})()
		s.policy.RefuseSuppressed = true
		s.relay.SetPolicy(s.shaped())
		c, _ := s.client("127.0.0.1")
		defer c.Logout()
		_ = c.Mail("ann@a.test", &gosmtp.MailOptions{})
		expect(t, said(c.Rcpt("GONE@x.test", &gosmtp.RcptOptions{})), "550 5.7.1 Recipient is on the suppression list: unsubscribe")
		expect(t, said(c.Rcpt("bob@x.test", &gosmtp.RcptOptions{})), "")
		s.policy.Postmaster = "gone@x.test"
		s.relay.SetPolicy(s.shaped())
		expect(t, said(c.Rcpt("postmaster", &gosmtp.RcptOptions{})), "") // must be reached, whatever the list says
	})
}

// Two hard bounces put an address on the list of the tenant, with what the remote said; refusals that are about the
// sender or the content do not.
func TestBouncesSuppress(t *testing.T) {
	inStory(t, "RCPT gone -> 550 5.1.1 no such user\nRCPT picky -> 550 5.7.1 your mail is spam", func(t *testing.T, s *story) {
		defer s.suppressing(suppress.Rule{Bounces: 2, Within: 30 * 24 * time.Hour})()
		send := func() string {
			seen := s.step("submit from= tenant=shop to=gone@x.test,picky@x.test", nil)
			synctest.Wait()
			return seen
		}
		for range 2 {
			if seen := send(); strings.Count(seen, "bounced") != 2 {
				t.Fatal(seen)
			}
		}
		if seen := send(); strings.Count(seen, "suppressed") != 1 || !strings.Contains(seen, "gone@x.test is on the list of tenant shop") {
			t.Error(seen)
		}
		var exported bytes.Buffer
		if _, err := s.policy.Suppression.Export(&exported, suppress.CSV, suppress.Filter{}); err != nil {
			t.Fatal(err)
		}
		if got := exported.String(); !strings.Contains(got, "shop,gone@x.test,hard-bounce,") || !strings.Contains(got, "550 5.1.1 no such user") || strings.Contains(got, "picky") {
			t.Error(got)
		}
	})
}

// The disk of the lists hangs. The relay ends all the same, and does without the counts.
func TestHangingListsDoNotKeepTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t)
		s.start()
		s.step("zone", []string{"x.test MX 10 mx.x.test", "mx.x.test A 192.0.2.1"})
		s.step("remote mx.x.test", []string{"RCPT gone -> 550 5.1.1 no such user"})
		var hangs atomic.Bool
		mended := make(chan struct{})
		disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if hangs.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				<-mended
			}
			return nil
		}))
		closeLists := s.suppressingOn(disk, suppress.Rule{Bounces: 1, Within: time.Hour})
		hangs.Store(true)
		s.submit([]string{"from=", "to=gone@x.test"}, nil)
		synctest.Wait()
		began := time.Now()
		s.stop()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the relay took %v to end", took)
		}
		close(mended)
		closeLists()
	})
}
