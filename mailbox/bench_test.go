package mailbox

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// cpu returns the processor time used by this process.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchContent is 4 KiB, a quarter of it header, that compress by about a third.
func benchContent() []byte {
	b := make([]byte, 4096)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[r.IntN(64)]
	}
	copy(b, "Subject: bench\r\nX: ")
	copy(b[1000:], "\r\n\r\n")
	return b
}

// BenchmarkDeliver delivers 4 KiB messages to 100 accounts on a real disk, synced.
func BenchmarkDeliver(b *testing.B) {
	for _, writers := range []int{1, 50} {
		for _, copies := range []int{1, 10} {
			b.Run(fmt.Sprintf("%dx%d", writers, copies), func(b *testing.B) { benchDeliver(b, writers, copies) })
		}
	}
}

func benchDeliver(b *testing.B, writers, copies int) {
	s := openTest(b, Options{Dir: b.TempDir(), Memory: DefaultMemory, Now: time.Now})
	for i := range 100 {
		must(b, s.Add(b.Context(), fmt.Sprintf("u%d@example.com", i), 0))
	}
	content := benchContent()
	var n atomic.Int64
	b.SetBytes(int64(len(content)))
	b.ResetTimer()
	before := cpu()
	var senders sync.WaitGroup
	for range writers {
		senders.Go(func() {
			for {
				i := int(n.Add(1))
				if i > b.N {
					return
				}
				d := Delivery{ID: fmt.Sprint(i), Content: content}
				for c := range copies {
					to := fmt.Sprintf("u%d@example.com", (i+c)%100)
					d.Copies = append(d.Copies, Copy{Account: to, Key: to, Header: []byte("Return-Path: <s@example.org>\r\nDelivered-To: " + to + "\r\n")})
				}
				if _, err := s.Deliver(b.Context(), d); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	senders.Wait()
	b.StopTimer()
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/float64(s.Metrics().Batches), "msgs/batch")
}

// BenchmarkBig is about a folder with 100,000 messages.
func BenchmarkBig(b *testing.B) {
	const messages = 100_000
	s := withAnn(b, Options{Dir: b.TempDir(), Memory: DefaultMemory, Now: time.Now})
	content := benchContent()
	var n atomic.Int64
	var senders sync.WaitGroup
	for range 50 {
		senders.Go(func() {
			for n.Add(1) <= messages {
				_, err := s.Deliver(b.Context(), Delivery{Content: content, Copies: []Copy{{Account: ann, Header: []byte("Delivered-To: ann\r\n")}}})
				must(b, err)
			}
		})
	}
	senders.Wait()
	must(b, s.contain(s.db.Flush))
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f := openFolder(b, s, ann, "")
			f.Close()
		}
	})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f := openFolder(b, s, ann, "")
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.Logf("an open folder takes %.1f bytes a message", float64(after.HeapAlloc-before.HeapAlloc)/messages)
	uids := f.UIDs()
	b.Run("flags of all", func(b *testing.B) {
		for b.Loop() {
			for _, uid := range uids {
				if _, ok := f.Get(uid); !ok {
					b.Fatal("gone")
				}
			}
		}
	})
	b.Run("headers of all", func(b *testing.B) {
		for b.Loop() {
			n := 0
			for _, err := range f.Headers(b.Context(), uids) {
				must(b, err)
				n++
			}
			if n != messages {
				b.Fatal(n)
			}
		}
	})
	b.Run("content of one", func(b *testing.B) {
		i := 0
		for b.Loop() {
			i += 7919
			_, err := f.Content(b.Context(), uids[i%messages])
			must(b, err)
		}
	})
	b.Run("flag of one", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i += 7919
			_, _, err := f.SetFlags(b.Context(), uids[i%messages:][:1], SetFlags, Flags{System: System(i % 32)}, 0)
			must(b, err)
		}
	})
	b.Run("copy of all, and expunge", func(b *testing.B) {
		trash := openFolder(b, s, ann, "Trash")
		for b.Loop() {
			_, _, _, err := f.CopyTo(b.Context(), uids, "Trash")
			must(b, err)
			_, err = trash.Expunge(b.Context(), trash.UIDs())
			must(b, err)
		}
	})
	b.Run("flags of all set", func(b *testing.B) {
		i := 0
		for b.Loop() {
			i++
			_, _, err := f.SetFlags(b.Context(), uids, SetFlags, Flags{System: System(i % 32)}, 0)
			must(b, err)
		}
	})
}
