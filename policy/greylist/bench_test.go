package greylist

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/store"
)

// rss returns the memory of the process that is in use, in MiB.
func rss(b *testing.B) float64 {
	b.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, err := strconv.ParseFloat(strings.Fields(string(status))[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	return pages * float64(os.Getpagesize()) / (1 << 20)
}

func numbered(n int) Attempt {
	return Attempt{
		Client:    netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}),
		Sender:    "sender" + strings.Repeat("x", n%7) + "@example" + fmt.Sprint(n%5000) + ".com",
		Recipient: message.Address{Local: fmt.Sprintf("user%d", n), Domain: "example.com"},
	}
}

// Benchmark100000 measures decisions with 100,000 triplets that wait, on the real disk: strangers,
// triplets in memory, and triplets on disk.
func Benchmark100000(b *testing.B) {
	const n = 100_000
	before := rss(b)
	s, err := store.Open(store.Options{Dir: filepath.Join(b.TempDir(), "policy")})
	if err != nil {
		b.Fatal(err)
	}
	g, err := Open(b.Context(), Options{Store: s})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _, _ = g.Close(), s.Close() }()
	started := time.Now()
	all := make([]Attempt, n)
	for i := range all {
		all[i] = numbered(i)
	}
	attempts := rss(b) - before
	for i := range all {
		if d, err := g.Check(b.Context(), all[i]); d.Pass || err != nil {
			b.Fatal(d, err)
		}
	}
	b.Logf("%d triplets in %v, RSS grew by %.1f MiB", n, time.Since(started).Round(time.Millisecond), rss(b)-before-attempts)
	for _, c := range []struct {
		name string
		of   int
	}{{"cached", 10_000}, {"on disk", n}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				if d, err := g.Check(b.Context(), all[n-1-i%c.of]); d.Pass || err != nil {
					b.Fatal(d, err)
				}
			}
		})
	}
	next := n
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			next++
			if d, err := g.Check(b.Context(), numbered(next)); d.Pass || err != nil {
				b.Fatal(d, err)
			}
		}
	})
	b.Logf("%+v, RSS %.1f MiB more", g.Metrics(), rss(b)-before-attempts)
}

// BenchmarkRestart opens the list with 100,000 triplets that have passed, and decides on one of them.
func BenchmarkRestart(b *testing.B) {
	const n = 100_000
	s, err := store.Open(store.Options{Dir: filepath.Join(b.TempDir(), "policy")})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	now := time.Now()
	open := func(b *testing.B) *Greylist {
		g, err := Open(b.Context(), Options{Store: s, Rules: Rules{KnownAfter: -1}, Now: func() time.Time { return now }})
		if err != nil {
			b.Fatal(err)
		}
		return g
	}
	g := open(b)
	for range 2 {
		for i := range n {
			if _, err := g.Check(b.Context(), numbered(i)); err != nil {
				b.Fatal(err)
			}
		}
		now = now.Add(10 * time.Minute)
	}
	_ = g.Close()
	b.Run("open", func(b *testing.B) {
		for range b.N {
			_ = open(b).Close()
		}
	})
	before := rss(b)
	g = open(b)
	defer g.Close()
	grown := rss(b) - before
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			if d, err := g.Check(b.Context(), numbered(i*7919%n)); !d.Pass || err != nil {
				b.Fatal(d, err)
			}
		}
		b.ReportMetric(grown, "MiB")
	})
}
