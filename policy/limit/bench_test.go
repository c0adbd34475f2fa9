package limit

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

var fiveRules = []Rule{
	rate(Client, 1_000_000_000, time.Second), rate(Credential, 1_000_000_000, time.Second), rate(Tenant, 1_000_000_000, time.Minute),
	rate(Sender, 1_000_000_000, time.Hour), {Subject: Tenant, Unit: Messages, Kind: Quota, Amount: 1_000_000_000},
}

func BenchmarkTakeFiveRules(b *testing.B) {
	l, err := New(b.Context(), Options{Rules: fiveRules})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	who := Who{Client: client, Credential: "shop", Tenant: "acme", Sender: "news@shop.example"}
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Take(who, Messages, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTakeParallel(b *testing.B) {
	l, err := New(b.Context(), Options{Rules: fiveRules})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		who := Who{Client: client, Credential: "shop", Tenant: "acme", Sender: "news@shop.example"}
		for pb.Next() {
			_ = l.Take(who, Messages, 1)
		}
	})
}

func BenchmarkTakeNoRules(b *testing.B) {
	l, err := New(b.Context(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	who := Who{Client: client, Credential: "shop", Tenant: "acme", Sender: "news@shop.example"}
	for b.Loop() {
		_ = l.Take(who, Messages, 1)
	}
}

// BenchmarkMemory reports what 100,000 clients cost under one rule.
func BenchmarkMemory(b *testing.B) {
	for range b.N {
		l, err := New(b.Context(), Options{Rules: []Rule{rate(Client, 100, time.Hour)}})
		if err != nil {
			b.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range 100_000 {
			_ = l.Take(Who{Client: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})}, Messages, 1)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/100_000, "B/client")
		l.Close()
	}
}

// BenchmarkTakeFullTable is the flood: each event brings a new name, and another must go.
func BenchmarkTakeFullTable(b *testing.B) {
	l, err := New(b.Context(), Options{Subjects: 10_000, Rules: []Rule{rate(Sender, 100, time.Hour)}})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	names := make([]string, 100_000)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	i := 0
	for b.Loop() {
		_ = l.Take(Who{Sender: names[i%len(names)]}, Messages, 1)
		i++
	}
}
