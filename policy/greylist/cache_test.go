package greylist

import (
	"math"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// After a restart those who have passed are in memory already; who still waits is looked up.
func TestRestartRemembersInMemory(t *testing.T) {
	disk, c := vfs.NewMem(), &clock{testStart}
	o := Options{Now: c.now, Rules: Rules{KnownAfter: -1}}
	g, end := openTest(t, disk, o)
	known := attempt(t, "192.0.2.1", "ann@a.test", "bob@x.test")
	waiting := attempt(t, "192.0.2.1", "eve@a.test", "bob@x.test")
	check := func(a Attempt, want Reason) {
		t.Helper()
		if d, err := g.Check(t.Context(), a); d.Reason != want || err != nil {
			t.Errorf("%v, %v; want %v", d.Reason, err, want)
		}
	}
	check(known, New)
	c.t = c.t.Add(10 * time.Minute)
	check(known, CameBack)
	check(waiting, New)
	end()
	g, end = openTest(t, disk, o)
	defer end()
	check(known, KnownTriplet)
	if m := g.Metrics(); m.CacheHits != 1 || m.CacheMisses != 0 {
		t.Errorf("%+v", m)
	}
	check(waiting, TooEarly)
	if m := g.Metrics(); m.CacheMisses != 1 {
		t.Errorf("%+v", m)
	}
}

// What is warmed is bounded by the cache.
func TestRestartWithMoreThanFits(t *testing.T) {
	disk, c := vfs.NewMem(), &clock{testStart}
	o := Options{Now: c.now, Rules: Rules{KnownAfter: -1}, CacheEntries: 16}
	g, end := openTest(t, disk, o)
	for range 2 {
		for i := range 100 {
			_, err := g.Check(t.Context(), numbered(i))
			must(t, err)
		}
		c.t = c.t.Add(10 * time.Minute)
	}
	end()
	g, end = openTest(t, disk, o)
	defer end()
	if n := g.triplets.cache.Len(); n != 12 {
		t.Errorf("%d triplets in memory, of 12", n)
	}
	for i := range 100 {
		if d, err := g.Check(t.Context(), numbered(i)); d.Reason != KnownTriplet || err != nil {
			t.Fatal(d, err)
		}
	}
}

// A record comes out of the cache as it went in, to the second.
func TestPacked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Int64Range(0, math.MaxUint32)
		in := record{first: time.Unix(at.Draw(t, "first"), 0), last: time.Unix(at.Draw(t, "last"), 0),
			passes: rapid.Uint32Range(0, maxPasses).Draw(t, "passes")}
		out, there := pack(&in, true).unpack()
		if !there || !out.first.Equal(in.first) || !out.last.Equal(in.last) || out.passes != in.passes {
			t.Errorf("%+v became %+v", in, out)
		}
	})
	if _, there := pack(&record{}, false).unpack(); there {
		t.Error("what is not there came out")
	}
}
