package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/address"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/smtp"
)

// BenchmarkRelayLocal takes messages of 4 KiB from 16 sessions to 100 mailboxes, as BenchmarkRelay takes them to hosts:
// in memory, and with queue and mailboxes on the disk of the test's folder, where syncs count.
func BenchmarkRelayLocal(b *testing.B) {
	b.Run("memory", func(b *testing.B) {
		fs := vfs.NewMem()
		benchmarkLocal(b, fs, "")
	})
	b.Run("disk", func(b *testing.B) { benchmarkLocal(b, vfs.Default, b.TempDir()+"/") })
}

// countedMailboxes counts the copies that a store has delivered.
type countedMailboxes struct {
	*mailbox.Store
	taken atomic.Int64
}

func (m *countedMailboxes) Deliver(ctx context.Context, d mailbox.Delivery) ([]error, error) {
	errs, err := m.Store.Deliver(ctx, d)
	m.taken.Add(int64(len(errs)))
	return errs, err
}

func benchmarkLocal(b *testing.B, fs vfs.FS, dir string) {
	const sessions, inFlight, users = 16, 2000, 100
	q, err := queue.Open(queue.Options{Dir: dir + "queue", FS: fs, MinFreeDisk: -1, Memory: 128 << 20})
	if err != nil {
		b.Fatal(err)
	}
	store, err := mailbox.Open(mailbox.Options{Dir: dir + "mailbox", FS: fs})
	if err != nil {
		b.Fatal(err)
	}
	mailboxes := &countedMailboxes{Store: store}
	for i := range users {
		if err := store.Add(context.Background(), fmt.Sprintf("u%d@here.test", i), 0); err != nil {
			b.Fatal(err)
		}
	}
	events, err := OpenEventLog(EventLogOptions{Path: b.TempDir() + "/events"})
	if err != nil {
		b.Fatal(err)
	}
	shaping, err := policy.NewShaping(policy.DefaultLimits())
	if err != nil {
		b.Fatal(err)
	}
	book, err := address.New(address.Config{Domains: []string{"here.test"}})
	if err != nil {
		b.Fatal(err)
	}
	r := New(Config{Hostname: "relay.test", Queue: q, Events: events, Router: benchRouter(1)}, Policy{
		Shaping: shaping, Retry: policy.Schedules{Default: policy.DefaultSchedule()},
		Local: &Local{Addresses: book, Mailboxes: mailboxes},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, time.Minute) }()

	var next atomic.Int64
	var work sync.WaitGroup
	content := append([]byte("Subject: benchmark\r\n\r\n"), bytes.Repeat([]byte("0123456789012345678901234567890123456789\r\n"), 4096/42)...)
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	b.ResetTimer()
	for range sessions {
		work.Go(func() {
			session, _ := (&Intake{Relay: r}).NewSession(&smtp.ConnInfo{
				ESMTP: true, HELO: "client", SessionID: "s", RemoteAddr: netip.MustParseAddrPort("127.0.0.1:1"),
			})
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				for n-mailboxes.taken.Load() > inFlight {
					time.Sleep(time.Millisecond)
				}
				to := fmt.Sprintf("u%d@here.test", n%users)
				err := errors.Join(session.Mail("shop@a.test", &gosmtp.MailOptions{}), session.Rcpt(to, &gosmtp.RcptOptions{}))
				if err != nil {
					b.Error(err)
				}
				var reply *gosmtp.SMTPError
				if err := session.Data(smtp.NewBody(content)); !errors.As(err, &reply) || reply.Code != 250 {
					b.Error(err)
				}
				session.Reset()
			}
		})
	}
	work.Wait()
	for mailboxes.taken.Load() < int64(b.N) && !b.Failed() {
		time.Sleep(100 * time.Microsecond)
	}
	cancel()
	if err := <-ended; err != nil {
		b.Error(err)
	}
	b.StopTimer()
	if err := errors.Join(events.Close(), q.Close(), store.Close()); err != nil {
		b.Error(err)
	}
}
