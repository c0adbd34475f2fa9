package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/posthaste-mta/posthaste/bench/world"
)

// watchers are mail programs that wait for news, one for each mailbox, as programs on desks do all day.
type watchers struct {
	boxes  Mailboxes
	addr   string
	cancel context.CancelFunc
	done   sync.WaitGroup
	reads  bool // fetch what is new

	total atomic.Int64 // messages seen in all mailboxes
	last  atomic.Int64 // when the newest came, nanoseconds since begin
	begin time.Time
	mu    sync.Mutex
	err   error
}

// watch connects them all, and returns when they wait.
func watch(ctx context.Context, boxes Mailboxes, addr string, reads bool) (*watchers, error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watchers{boxes: boxes, addr: addr, cancel: cancel, reads: reads, begin: time.Now()}
	for i := range boxes.Users {
		c, err := dialIMAP(ctx, addr, boxes.account(i))
		if err != nil {
			w.stop()
			return nil, err
		}
		seen, err := c.selectInbox()
		if err != nil {
			c.close()
			w.stop()
			return nil, err
		}
		w.done.Go(func() {
			defer c.close()
			if err := w.watch(c, seen); ctx.Err() == nil {
				w.fail(fmt.Errorf("watching %s: %w", boxes.account(i), err))
			}
		})
	}
	return w, nil
}

// watch counts what comes until the connection ends. Only with reads it ever leaves IDLE.
func (w *watchers) watch(c *imapClient, seen int) error {
	for {
		known := seen
		err := c.idle(func(n int) bool {
			w.total.Add(int64(n - seen))
			w.last.Store(int64(time.Since(w.begin)))
			seen = n
			return !w.reads
		})
		if err == nil {
			err = c.fetch(known+1, seen, func([]byte) {})
		}
		if err != nil {
			return err
		}
	}
}

func (w *watchers) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = errors.Join(w.err, err)
}

func (w *watchers) stop() {
	w.cancel()
	w.done.Wait()
}

// deliverHere measures deliveries into mailboxes: until each message was announced to the program that waits for it. Then all
// are fetched and looked at.
func (r *run) deliverHere(ctx context.Context, relay *Running, res *Result) error {
	r.load.Addr = relay.Addr
	w, err := watch(ctx, r.sc.Inlet.Mailboxes, loopback(r.set.IMAPPort), false)
	if err != nil {
		return err
	}
	defer w.stop()
	pause(ctx, sampleEvery)
	r.filling = true // the oracle hears of deliveries at the end
	before, disk := r.usage(relay), diskWritten(r.dir)
	r.begin, w.begin = time.Now(), time.Now()
	watchCtx, stopWatch := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		r.watch(watchCtx, relay)
	}()
	res.Sent, err = r.load.Run(ctx)
	loadEnd := time.Now()
	for since := time.Now(); err == nil && w.total.Load() < res.Sent.Acked && time.Since(since) < patience; {
		pause(ctx, 5*time.Millisecond)
	}
	stopWatch()
	<-watched
	after := r.usage(relay)
	announced, wall := w.total.Load(), time.Duration(w.last.Load())
	w.stop()
	err = errors.Join(err, w.err, r.fetchAll(ctx))
	r.fill(res, relay, before, after, loadEnd)
	res.Wall, res.DeliveredPerSecond = wall.Seconds(), perSecond(announced, wall)
	res.MBPerSecond = res.DeliveredPerSecond * float64(r.load.Size) / 1e6
	res.Delivered = Latency{}
	res.DiskPerMessage = perMessage(diskWritten(r.dir)-disk, res.Sent.Acked)
	return err
}

// fetchAll shows the oracle what is in the mailboxes.
func (r *run) fetchAll(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	boxes := r.sc.Inlet.Mailboxes
	for i := range boxes.Users {
		group.Go(func() error {
			c, err := dialIMAP(ctx, loopback(r.set.IMAPPort), boxes.account(i))
			if err != nil {
				return err
			}
			defer c.close()
			n, err := c.selectInbox()
			if err != nil || n == 0 {
				return err
			}
			return c.fetch(1, n, func(content []byte) {
				m := world.Message{Sender: SenderDomain, Content: content}
				if n, _ := readLetter(content, r.oracle.crc); n < stockedFrom {
					to := "astray@" + SenderDomain
					if r.load.domain(n, 0) == boxes.domain(i) {
						to = string(appendRecipient(nil, n, 0, boxes.domain(i)))
					}
					m.Recipients = []string{to}
				}
				r.oracle.Arrived(&m)
			})
		})
	}
	return group.Wait()
}
