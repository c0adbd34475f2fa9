package relay

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/dkim"
	"github.com/posthaste-mta/posthaste/policy/greylist"
	"github.com/posthaste-mta/posthaste/policy/inbound"
	"github.com/posthaste-mta/posthaste/policy/store"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/resolver"
	"github.com/posthaste-mta/posthaste/resolver/resolvertest"
	"github.com/posthaste-mta/posthaste/smtp"
)

// BenchmarkStranger is a session with one message of 4 KiB, accepted without a disk: not looked at; by SPF, DKIM,
// DMARC, a DNSBL and the reverse name, out of the resolver's cache; with a greylist too that knows the client; and with a signature
// by an RSA key of 2,048 bits. Its CPU time tells more than the clock on a busy machine.
func BenchmarkStranger(b *testing.B) {
	for _, c := range []struct {
		name                      string
		checked, greylist, signed bool
	}{{"plain", false, false, true}, {"checked", true, false, false}, {"greylist", true, true, false}, {"signed", true, true, true}} {
		b.Run(c.name, func(b *testing.B) { benchmarkStranger(b, c.checked, c.greylist, c.signed) })
	}
}

func benchmarkStranger(b *testing.B, checked, listed, signed bool) {
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
	p := Policy{Access: policy.Access{RelayDomains: policy.NewDomainSet("x.test")}}
	letter, record := benchLetter(b, signed)
	if checked {
		p.Inbound = &Inbound{Checker: benchChecker(b, record)}
	}
	if listed {
		p.Inbound.Greylist = benchGreylist(b)
	}
	in := &Intake{Relay: New(Config{Hostname: "relay.test", Queue: q, Events: events}, p), Strangers: true}
	info := smtp.ConnInfo{ESMTP: true, HELO: "mail.a.test", Listener: "mx", SessionID: "s", RemoteAddr: netip.MustParseAddrPort("192.0.2.9:1")}
	mail, rcpt := &gosmtp.MailOptions{}, &gosmtp.RcptOptions{}
	b.ReportAllocs()
	var before, after syscall.Rusage
	sessions := 0
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for b.Loop() {
		sessions++
		s, err := in.NewSession(&info)
		if err == nil {
			err = s.Mail("ann@a.test", mail)
		}
		if err == nil {
			err = s.Rcpt("bob@x.test", rcpt)
		}
		if err != nil {
			b.Fatal(err)
		}
		var reply *gosmtp.SMTPError
		if err := s.Data(smtp.NewBody(letter)); !errors.As(err, &reply) || reply.Code != 250 {
			b.Fatal(err)
		}
		if err := s.Logout(); err != nil {
			b.Fatal(err)
		}
	}
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(used)/float64(sessions), "cpu-ns/op")
}

// benchLetter returns the message, and the key record if it is signed.
func benchLetter(b *testing.B, signed bool) (letter []byte, record string) {
	letter = []byte("From: ann@a.test\r\nTo: bob@x.test\r\nSubject: hello\r\n\r\n" + strings.Repeat("All work and no play makes Jack a dull boy, and more.\r\n", 74))
	if !signed {
		return letter, ""
	}
	private, err := dkim.GenerateThreePrimes()
	if err != nil {
		b.Fatal(err)
	}
	key := &dkim.Key{Domain: "a.test", Selector: "bench", State: dkim.Active, Private: private}
	ring, err := dkim.NewKeyring([]*dkim.Key{key}, "")
	if err != nil {
		b.Fatal(err)
	}
	signer, err := dkim.NewSigner(ring, dkim.Options{})
	if err != nil {
		b.Fatal(err)
	}
	out, err := signer.Sign(letter, "a.test", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	return append(out.Fields, letter...), key.String() + ` TXT "` + private.RecordText() + `"`
}

func benchChecker(b *testing.B, record string) *inbound.Checker {
	z, err := resolvertest.ParseZone(`9.2.0.192.in-addr.arpa PTR mail.a.test
mail.a.test A 192.0.2.9
a.test MX 10 mail.a.test
a.test TXT "v=spf1 ip4:192.0.2.0/24 -all"
_dmarc.a.test TXT "v=DMARC1; p=reject"
` + record)
	if err != nil {
		b.Fatal(err)
	}
	r, err := resolver.New(resolver.Config{Servers: []string{"192.0.2.53"}, Dial: z.Dial})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close() })
	c, err := inbound.New(inbound.Config{Resolver: r, ID: "relay.test", Lists: []inbound.List{{Zone: "lists.test"}}})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// benchGreylist returns one that the client has come back to.
func benchGreylist(b *testing.B) *greylist.Greylist {
	kept, err := store.Open(store.Options{Dir: "policy", FS: vfs.NewMem()})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now().Add(-time.Hour)
	g, err := greylist.Open(context.Background(), greylist.Options{Store: kept, Now: func() time.Time { now = now.Add(10 * time.Minute); return now }})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { g.Close(); kept.Close() })
	to := greylist.Attempt{Client: netip.MustParseAddr("192.0.2.9"), Sender: "ann@a.test"}
	to.Recipient.Local, to.Recipient.Domain = "bob", "x.test"
	for range 2 {
		if _, err := g.Check(context.Background(), to); err != nil {
			b.Fatal(err)
		}
	}
	return g
}
