package queue

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// cpu returns the processor time used by this process.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchContent is 4 KiB that compress by about a third, as text in base64 does.
func benchContent() []byte {
	b := make([]byte, 4096)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[r.IntN(64)]
	}
	return b
}

// BenchmarkPut stores 4 KiB messages on a real disk, synced.
func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 50} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) { benchPut(b, writers, false) })
	}
}

// BenchmarkPutSettle stores, leases and settles them, as a relay in steady flow does.
func BenchmarkPutSettle(b *testing.B) {
	for _, writers := range []int{1, 50} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) { benchPut(b, writers, true) })
	}
}

func benchPut(b *testing.B, writers int, settle bool) {
	q := openTest(b, Options{Dir: b.TempDir(), Memory: defaultMemory})
	content := benchContent()
	ctx, cancel := context.WithCancel(context.Background())
	var put atomic.Int64
	var lanes, settlers sync.WaitGroup
	delivered := make(chan *Lease, 1000)
	inQueue := make(chan struct{}, 1000) // a steady flow: what comes in goes out
	if settle {
		for range 2 {
			lanes.Go(func() { benchLane(ctx, q, delivered) })
			settlers.Go(func() { benchSettle(q, delivered, inQueue) })
		}
	}
	b.SetBytes(int64(len(content)))
	b.ResetTimer()
	before := cpu()
	var senders sync.WaitGroup
	for range writers {
		senders.Go(func() {
			for put.Add(1) <= int64(b.N) {
				if settle {
					inQueue <- struct{}{}
				}
				body := bytes.Clone(content)
				env := &message.Envelope{Sender: "sender@example.org", Origin: message.Origin{HELO: "mail.example.org", Protocol: "ESMTP"}}
				if _, err := q.Put(ctx, env, rcpts(fmt.Sprintf("recipient@%d.example.net", put.Load()%20)), body); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	senders.Wait()
	for len(inQueue) > 0 && settle {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/float64(q.stats.batches), "msgs/batch")
	cancel()
	lanes.Wait()
	close(delivered)
	settlers.Wait()
}

// benchLane delivers what is due. What it delivered is settled behind its back, as a relay does.
func benchLane(ctx context.Context, q *Queue, delivered chan<- *Lease) {
	for {
		domain, err := q.NextReady(ctx)
		if err != nil {
			return
		}
		for {
			l, err := q.Lease(domain)
			if l == nil || err != nil {
				break
			}
			if _, err := l.Content(); err != nil {
				panic(err)
			}
			delivered <- l
		}
	}
}

// benchSettle settles what was delivered, as many at a time as there are.
func benchSettle(q *Queue, delivered <-chan *Lease, inQueue chan struct{}) {
	for l := range delivered {
		batch := []Settlement{all(l, message.Delivered)}
		for len(batch) < 100 && len(delivered) > 0 {
			batch = append(batch, all(<-delivered, message.Delivered))
		}
		if err := q.Settle(context.Background(), batch); err != nil {
			panic(err)
		}
		for range batch {
			<-inQueue
		}
	}
}
