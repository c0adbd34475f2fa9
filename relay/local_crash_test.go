package relay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/address"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/smtp"
)

// TestLocalCrash has the power fail again and again while mail is accepted and put into mailboxes. In the end each
// recipient has each message that the client was told 250 about, once, and no other more than once.
func TestLocalCrash(t *testing.T) {
	for i := range 6 {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("%d seed=%d", i, seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { (&localCrash{t: t, dice: newDice(seed), acked: map[string]bool{}}).play() })
		})
	}
}

// localCrash is one such life.
type localCrash struct {
	t      *testing.T
	dice   *rand.Rand
	fs     *vfs.MemFS
	queue  *queue.Queue
	store  *mailbox.Store
	events *EventLog
	relay  *Relay
	end    context.CancelFunc
	ended  chan error

	mu    sync.Mutex
	sent  int
	acked map[string]bool // subjects that were answered with 250
}

func (c *localCrash) play() {
	c.fs = vfs.NewCrashableMem()
	c.start()
	for range 8 {
		var clients sync.WaitGroup
		for range 1 + c.dice.IntN(12) {
			pause := time.Duration(c.dice.Int64N(int64(4 * time.Millisecond)))
			c.sent++
			subject := fmt.Sprintf("s%d.", c.sent)
			relay := c.relay
			clients.Go(func() {
				time.Sleep(pause)
				if c.submit(relay, subject) {
					c.mu.Lock()
					c.acked[subject] = true
					c.mu.Unlock()
				}
			})
		}
		time.Sleep(time.Duration(c.dice.Int64N(int64(8 * time.Millisecond))))
		c.crash(&clients)
	}
	time.Sleep(time.Hour)
	audit, err := c.queue.Audit(context.Background())
	if err != nil || audit.Queued != 0 {
		c.t.Errorf("there is still mail: %+v, %v", audit, err)
	}
	c.judge()
	c.stop()
}

// crash goes on with what was on the disk at this moment, of which all is there that was synced and, of the rest, some.
func (c *localCrash) crash(clients *sync.WaitGroup) {
	c.mu.Lock()
	acked := make(map[string]bool)
	for s := range c.acked {
		acked[s] = true
	}
	c.mu.Unlock()
	after := c.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: c.dice.IntN(101), RNG: c.dice})
	clients.Wait() // in vain: what they are told now nobody remembers
	c.relay.Abort()
	c.stop()
	c.fs, c.acked = after, acked
	c.start()
}

func (c *localCrash) start() {
	var err error
	if c.queue, err = queue.Open(queue.Options{Dir: "queue", FS: c.fs, MinFreeDisk: -1, Memory: 16 << 20}); err != nil {
		c.t.Fatal(err)
	}
	if c.store, err = mailbox.Open(mailbox.Options{Dir: "mailbox", FS: c.fs}); err != nil {
		c.t.Fatal(err)
	}
	for _, account := range []string{"ann@here.test", "bob@here.test"} {
		if err := c.store.Add(context.Background(), account, 0); err != nil && !errors.Is(err, mailbox.ErrExists) {
			c.t.Fatal(err)
		}
	}
	if c.events, err = OpenEventLog(EventLogOptions{}); err != nil {
		c.t.Fatal(err)
	}
	book, err := address.New(address.Config{Domains: []string{"here.test"}})
	if err != nil {
		c.t.Fatal(err)
	}
	shaping, err := policy.NewShaping(policy.DefaultLimits())
	if err != nil {
		c.t.Fatal(err)
	}
	c.relay = New(Config{Hostname: "relay.test", Queue: c.queue, Events: c.events, Router: benchRouter(1)}, Policy{
		Shaping: shaping, Local: &Local{Addresses: book, Mailboxes: c.store},
		Retry: policy.Schedules{Default: policy.DefaultSchedule()},
	})
	ctx, cancel := context.WithCancel(context.Background())
	c.end, c.ended = cancel, make(chan error, 1)
	go func() { c.ended <- c.relay.Run(ctx, time.Second) }()
}

func (c *localCrash) stop() {
	c.end()
	if err := errors.Join(<-c.ended, c.events.Close(), c.queue.Close(), c.store.Close()); err != nil {
		c.t.Error(err)
	}
}

// submit hands in a message for both, and tells whether that was answered with 250.
func (c *localCrash) submit(r *Relay, subject string) bool {
	session, err := (&Intake{Relay: r}).NewSession(&smtp.ConnInfo{ESMTP: true, HELO: "client", RemoteAddr: netip.MustParseAddrPort("192.0.2.1:1")})
	if err != nil {
		return false
	}
	defer session.Logout()
	if session.Mail("", &gosmtp.MailOptions{}) != nil {
		return false
	}
	for _, to := range []string{"ann@here.test", "Bob@here.test"} {
		if session.Rcpt(to, &gosmtp.RcptOptions{}) != nil {
			return false
		}
	}
	var reply *gosmtp.SMTPError
	return errors.As(session.Data(smtp.NewBody([]byte("Subject: "+subject+"\r\n\r\nhello\r\n"))), &reply) && reply.Code == 250
}

func (c *localCrash) judge() {
	ctx := context.Background()
	for _, account := range []string{"ann@here.test", "bob@here.test"} {
		inbox, err := c.store.OpenFolder(ctx, account, "INBOX")
		if err != nil {
			c.t.Fatal(err)
		}
		found := map[string]int{}
		for _, uid := range inbox.UIDs() {
			content, err := inbox.Content(ctx, uid)
			if err != nil {
				c.t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(content), "Subject: ")
			subject, _, _ := strings.Cut(rest, "\r\n")
			found[subject]++
		}
		inbox.Close()
		for i := range c.sent {
			subject := fmt.Sprintf("s%d.", i+1)
			if n := found[subject]; n > 1 || n == 0 && c.acked[subject] {
				c.t.Errorf("%s has %s %d times; accepted: %v", account, subject, n, c.acked[subject])
			}
		}
	}
}
