package auth

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/posthaste-mta/posthaste/policy/store"
)

func benchWorld(b *testing.B, n int) *world {
	w := newWorld(b)
	s := mustSecret(b, secret)
	for i := range n {
		r := &record{Credential: Credential{Name: fmt.Sprintf("app%d@example.com", i), Senders: []string{fmt.Sprintf("tenant%d.example.com", i)}}}
		c := *s
		c.argon.salt, c.argon.key = randomBytes(saltSize), randomBytes(keySize)
		r.current = &c
		if err := r.seal(); err != nil {
			b.Fatal(err)
		}
		w.book.publish(r.Name, r)
	}
	return w
}

func BenchmarkLogin(b *testing.B) {
	w := newWorld(b)
	w.book.cost = defaultCost()
	w.add("app")
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.mustLogin(here, "app", secret)
		}
	})
	b.Run("argon2", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.auth.cache = newCache(w.now)
			w.mustLogin(here, "app", secret)
		}
	})
	b.Run("scram server", func(b *testing.B) {
		b.ReportAllocs()
		c := scramClient(b, "app", secret) // keeps its keys
		for b.Loop() {
			if _, _, err := w.scramTalk(ScramSHA256, nil, c.NewConversation()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("scram client keys", func(b *testing.B) {
		s := mustSecret(b, secret)
		s.scram.iterations = defaultCost().iterations
		for b.Loop() {
			if err := s.scram.set(secret); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Of 10,000 credentials: what one look-up costs, and the memory of each.
func BenchmarkTenThousand(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	w := benchWorld(b, 10_000)
	runtime.GC()
	runtime.ReadMemStats(&after)
	perCredential := float64(after.HeapInuse-before.HeapInuse) / 10_000
	b.Run("find", func(b *testing.B) {
		b.ReportAllocs()
		names := make([]string, 1024)
		for i := range names {
			names[i] = fmt.Sprintf("App%d@example.com", i*9)
		}
		for i := 0; b.Loop(); i++ {
			if _, err := w.book.Get(names[i%len(names)]); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(perCredential, "B/credential")
	})
	b.Run("live", func(b *testing.B) {
		e, r := w.book.find("app77@example.com")
		l := &Live{entry: e, secret: r.current.id, now: time.Now}
		b.ReportAllocs()
		for b.Loop() {
			if err := l.MayMail("news@tenant77.example.com"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpenTenThousand(b *testing.B) {
	w := newWorld(b)
	s := mustSecret(b, secret)
	for i := range 10_000 {
		r := &record{Credential: Credential{Name: fmt.Sprintf("app%d", i), Senders: []string{"example.com"}}, current: s}
		value, err := r.encode()
		if err != nil {
			b.Fatal(err)
		}
		if err := w.store.Apply(ctx, i == 9999, storeChange(r.Name, value)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if book, err := OpenBook(ctx, w.store, nil); err != nil || book.Len() != 10_000 {
			b.Fatal(err)
		}
	}
}

func BenchmarkGuardFailed(b *testing.B) {
	g := NewGuard(GuardOptions{})
	for i := uint64(1); b.Loop(); i++ {
		var a [16]byte
		a[0], a[4], a[5], a[6] = 0x20, byte(i>>16), byte(i>>8), byte(i)
		g.Failed(netip.AddrFrom16(a), "name", i)
	}
}

func storeChange(name string, value []byte) store.Change {
	return store.Change{Table: store.Credentials, Key: []byte(recordPrefix + name), Value: value}
}
