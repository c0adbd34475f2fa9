package suppress

import (
	"errors"
	"fmt"
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

// BenchmarkMillion measures lists of a million addresses on the real disk: the import, the start, and
// a look-up of a recipient that is on no list, is on the tenant's, or is asked of the store because
// the filter is not there.
func BenchmarkMillion(b *testing.B) {
	const n = 1_000_000
	dir := filepath.Join(b.TempDir(), "policy")
	before := rss(b)
	s, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	l, err := Open(b.Context(), Options{Store: s})
	if err != nil {
		b.Fatal(err)
	}
	started := time.Now()
	if _, err := l.Import(b.Context(), bigFile(n, false), CSV, "acme"); err != nil {
		b.Fatal(err)
	}
	imported := time.Since(started)
	b.Logf("import: %v, RSS grew by %.1f MiB", imported.Round(time.Millisecond), rss(b)-before)
	if err := errors.Join(l.Close(), s.Close()); err != nil {
		b.Fatal(err)
	}

	before = rss(b)
	started = time.Now()
	if s, err = store.Open(store.Options{Dir: dir}); err != nil {
		b.Fatal(err)
	}
	if l, err = Open(b.Context(), Options{Store: s}); err != nil {
		b.Fatal(err)
	}
	opened := time.Since(started)
	defer func() { _, _ = l.Close(), s.Close() }()
	if err := l.build(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Logf("open: %v, filter after %v, RSS grew by %.1f MiB, %+v", opened.Round(time.Millisecond),
		time.Since(started).Round(time.Millisecond), rss(b)-before, l.Metrics())

	lookup := func(b *testing.B, name string, want bool) {
		to := make([]message.Address, 4096)
		for i := range to {
			k := i * (n / len(to))
			to[i] = message.Address{Local: fmt.Sprintf("%s%d", name, k), Domain: fmt.Sprintf("example%d.com", k%1000)}
		}
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			if _, found, err := l.Lookup("acme", to[i&4095]); found != want || err != nil {
				b.Fatal(to[i&4095], found, err)
			}
		}
	}
	b.Run("miss", func(b *testing.B) { lookup(b, "other", false) })
	b.Run("hit", func(b *testing.B) { lookup(b, "user", true) })
	l.filter.Store(nil)
	b.Run("miss, no filter", func(b *testing.B) { lookup(b, "other", false) })
	b.Logf("RSS after the look-ups: %.1f MiB more than before Open", rss(b)-before)
}
