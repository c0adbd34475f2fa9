package relay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/resolver"
	"github.com/posthaste-mta/posthaste/smtp"
	"github.com/posthaste-mta/posthaste/smtp/smtptest"
)

// BenchmarkRelay takes messages of 4 KiB from 16 sessions to their hosts: accept, queue, lane, client,
// outcome, settlement. Disk and network are in memory, so what it measures is our own work; the hosts
// are a part of it, see BenchmarkRelayHost.
func BenchmarkRelay(b *testing.B) {
	for _, sites := range []int{1, 100} {
		b.Run(fmt.Sprintf("sites=%d", sites), func(b *testing.B) { benchmarkRelay(b, sites) })
	}
}

func benchmarkRelay(b *testing.B, sites int) {
	const sessions, inFlight = 16, 2000
	q, err := queue.Open(queue.Options{Dir: "queue", FS: vfs.NewMem(), MinFreeDisk: -1, Memory: 128 << 20})
	if err != nil {
		b.Fatal(err)
	}
	events, err := OpenEventLog(EventLogOptions{Path: b.TempDir() + "/events"})
	if err != nil {
		b.Fatal(err)
	}
	shaping, err := policy.NewShaping(policy.DefaultLimits())
	if err != nil {
		b.Fatal(err)
	}
	var host benchHost
	r := New(Config{
		Hostname: "relay.test", Queue: q, Events: events, Router: benchRouter(sites),
		Dial: func(context.Context, policy.Source, netip.AddrPort) (net.Conn, error) {
			ours, theirs := smtptest.Pipe()
			go host.serve(theirs)
			return ours, nil
		},
	}, Policy{
		Access: policy.DefaultAccess(), Shaping: shaping, Retry: policy.Schedules{Default: policy.DefaultSchedule()},
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
				for n-host.taken.Load() > inFlight {
					time.Sleep(time.Millisecond)
				}
				to := "bob@d" + strconv.FormatInt(n%int64(sites), 10) + ".test"
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
	for host.taken.Load() < int64(b.N) && !b.Failed() {
		time.Sleep(100 * time.Microsecond)
	}
	cancel()
	if err := <-ended; err != nil {
		b.Error(err)
	}
	b.StopTimer()
	if err := errors.Join(events.Close(), q.Close()); err != nil {
		b.Error(err)
	}
}

// BenchmarkRelayHost is the part of BenchmarkRelay that its hosts take.
func BenchmarkRelayHost(b *testing.B) {
	ours, theirs := smtptest.Pipe()
	var host benchHost
	go host.serve(theirs)
	defer ours.Close()
	body := bytes.Repeat([]byte("0123456789012345678901234567890123456789\r\n"), 4096/42)
	flight := append([]byte("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT "+strconv.Itoa(len(body))+" LAST\r\n"), body...)
	in := bufio.NewReader(ours)
	in.ReadSlice('\n')
	b.ReportAllocs()
	for b.Loop() {
		ours.Write(flight)
		for range 3 {
			in.ReadSlice('\n')
		}
	}
}

// benchRouter gives each domain a site of its own.
type benchRouter int

func (benchRouter) Route(_ context.Context, domain string) (resolver.Route, error) {
	return resolver.Route{Domain: domain, Site: domain, Hosts: []resolver.Host{{
		Name: "mx." + domain, Addrs: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:25")},
	}}}, nil
}

// benchHost takes everything and does next to nothing for it.
type benchHost struct{ taken atomic.Int64 }

func (h *benchHost) serve(conn net.Conn) {
	defer conn.Close()
	in, out := bufio.NewReaderSize(conn, 64<<10), bufio.NewWriter(conn)
	out.WriteString("220 host\r\n")
	for {
		if in.Buffered() == 0 {
			out.Flush()
		}
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		switch string(line[:4]) {
		case "EHLO":
			out.WriteString("250-host\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
		case "BDAT":
			size, err := strconv.Atoi(string(bytes.Fields(line)[1]))
			if err != nil {
				return
			}
			if _, err := in.Discard(size); err != nil {
				return
			}
			h.taken.Add(1)
			out.WriteString("250 2.0.0 taken\r\n")
		default:
			out.WriteString("250 2.0.0 Ok\r\n")
		}
	}
}
