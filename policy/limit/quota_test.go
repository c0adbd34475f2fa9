package limit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/posthaste-mta/posthaste/policy/store"
)

// Without an orderly end at most half a second of counting is lost, and yesterday's records go by themselves.
func TestQuotasAreSavedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, vfs.NewMem())
		soon := time.FixedZone("", 24*60*60-10) // where it is ten seconds to midnight
		l, err := New(t.Context(), Options{Store: s, Location: soon, Rules: []Rule{{Subject: Tenant, Unit: Messages, Kind: Quota, Amount: 5}}})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for range 3 {
			wantText(t, l.Take(Who{Tenant: "acme"}, Messages, 1), "")
		}
		time.Sleep(saveInterval + time.Millisecond)
		synctest.Wait()
		value, err := s.Get(store.Quotas, storeKey(Tenant, Messages, "acme"))
		if err != nil {
			t.Fatal(err)
		}
		if c, err := readRecord(value); err != nil || c.n != 3 {
			t.Errorf("%+v %v", c, err)
		}
		time.Sleep(10*time.Second + 2*saveInterval)
		synctest.Wait()
		if _, err := s.Get(store.Quotas, storeKey(Tenant, Messages, "acme")); err == nil {
			t.Error("yesterday is still there")
		}
		time.Sleep(shards * saveInterval)
		synctest.Wait()
		if m := l.Metrics(); m.Counts != 0 || m.QuotasSaved != 1 {
			t.Errorf("%+v", m)
		}
	})
}

// A store that fails refuses nobody.
func TestQuotasWithoutTheirStore(t *testing.T) {
	s := openStore(t, vfs.NewMem())
	l := newLimiter(t, newClock(), Options{Store: s, Rules: []Rule{{Subject: Tenant, Unit: Messages, Kind: Quota, Amount: 5}}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantText(t, l.Take(Who{Tenant: "acme"}, Messages, 1), "")
	l.save()
	if m := l.Metrics(); m.SaveErrors != 1 || m.QuotasSaved != 0 {
		t.Errorf("%+v", m)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(record(cell{day: 20000, n: 5}))
	f.Add([]byte{recordVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := readRecord(b)
		if err != nil {
			return
		}
		if again, err := readRecord(record(c)); err != nil || again != c || c.n < 0 {
			t.Errorf("%x: %+v, %+v, %v", b, c, again, err)
		}
	})
}
