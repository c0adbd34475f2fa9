package relay

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/limit"
	"github.com/posthaste-mta/posthaste/policy/store"
	"github.com/posthaste-mta/posthaste/policy/suppress"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/smtp"
)

// BenchmarkEnvelope is what a session does at MAIL and RCPT for a message to one recipient: without limits and lists,
// with a rate and a quota for each subject, and with 100,000 suppressed addresses too.
func BenchmarkEnvelope(b *testing.B) {
	for _, c := range []struct {
		name               string
		limits, suppressed bool
	}{{"plain", false, false}, {"limits", true, false}, {"suppression", false, true}, {"both", true, true}} {
		b.Run(c.name, func(b *testing.B) { benchmarkEnvelope(b, c.limits, c.suppressed) })
	}
}

func benchmarkEnvelope(b *testing.B, limits, suppressed bool) {
	q, err := queue.Open(queue.Options{Dir: "queue", FS: vfs.NewMem(), MinFreeDisk: -1, Memory: 16 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	events, err := OpenEventLog(EventLogOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer events.Close()
	kept, err := store.Open(store.Options{Dir: "policy", FS: vfs.NewMem()})
	if err != nil {
		b.Fatal(err)
	}
	defer kept.Close()
	p := Policy{Access: policy.DefaultAccess()}
	if limits {
		p.Limits = benchLimits(b, kept)
		defer p.Limits.Close()
	}
	if suppressed {
		p.Suppression = benchSuppression(b, kept)
		defer p.Suppression.Close()
	}
	r := New(Config{Hostname: "relay.test", Queue: q, Events: events}, p)
	made, err := (&Intake{Relay: r, Tenant: "shop"}).NewSession(&smtp.ConnInfo{
		ESMTP: true, HELO: "client", Listener: "mx", SessionID: "s", RemoteAddr: netip.MustParseAddrPort("127.0.0.1:1"),
	})
	if err != nil {
		b.Fatal(err)
	}
	defer made.Logout()
	mail, rcpt := &gosmtp.MailOptions{}, &gosmtp.RcptOptions{}
	s := made.(*session)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		if err := made.Mail("ann@a.test", mail); err != nil {
			b.Fatal(err)
		}
		if err := made.Rcpt("bob"+strconv.Itoa(n)+"@d"+strconv.Itoa(n%1000)+".test", rcpt); err != nil {
			b.Fatal(err)
		}
		s.spent()
		made.Reset()
	}
}

func benchLimits(b *testing.B, kept *store.Store) *limit.Limiter {
	var rules []limit.Rule
	for _, subject := range []limit.Subject{limit.Client, limit.Tenant, limit.Sender, limit.Domain} {
		for _, unit := range []limit.Unit{limit.Messages, limit.Recipients} {
			if subject == limit.Domain && unit == limit.Messages {
				continue
			}
			rules = append(rules, limit.Rule{Subject: subject, Unit: unit, Amount: 1e9, Period: time.Second},
				limit.Rule{Subject: subject, Unit: unit, Kind: limit.Quota, Amount: 1e9})
		}
	}
	l, err := limit.New(context.Background(), limit.Options{Rules: rules, Store: kept})
	if err != nil {
		b.Fatal(err)
	}
	return l
}

func benchSuppression(b *testing.B, kept *store.Store) *suppress.List {
	l, err := suppress.Open(context.Background(), suppress.Options{Store: kept})
	if err != nil {
		b.Fatal(err)
	}
	var file strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&file, "gone%d@d%d.test\n", i, i%1000)
	}
	if _, err := l.Import(context.Background(), strings.NewReader(file.String()), suppress.CSV, "shop"); err != nil {
		b.Fatal(err)
	}
	return l
}
