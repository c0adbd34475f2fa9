package greylist

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// model is greylisting in its plainest form: maps of times, nothing bounded, nothing forgotten early.
type model struct {
	rules   Rules
	first   map[string]time.Time // of triplets that wait
	last    map[string]time.Time // of those that have come back
	passes  map[string]int       // by network
	touched map[string]time.Time // by network
}

func (m *model) check(network, triplet string, now time.Time) (pass bool, wait time.Duration) {
	if now.Sub(m.touched[network]) >= m.rules.Lifetime {
		m.passes[network] = 0
	}
	if m.passes[network] >= m.rules.KnownAfter {
		m.touch(m.touched, network, now)
		return true, 0
	}
	if last, ok := m.last[triplet]; ok && now.Sub(last) < m.rules.Lifetime {
		m.touch(m.last, triplet, now)
		return true, 0
	}
	delete(m.last, triplet)
	first, ok := m.first[triplet]
	age := now.Sub(first)
	switch {
	case !ok || age >= m.rules.RetryWindow:
		m.first[triplet] = now
		return false, m.rules.Delay
	case age < m.rules.Delay:
		return false, m.rules.Delay - age
	}
	delete(m.first, triplet)
	m.last[triplet] = now
	m.passes[network]++
	m.touched[network] = now
	return true, 0
}

// touch notes a mail, to the hour.
func (m *model) touch(times map[string]time.Time, name string, now time.Time) {
	if now.Sub(times[name]) >= touchAfter {
		times[name] = now
	}
}

// Whatever comes when, with a cache that is far too small, sweeps and restarts in between, the answers
// are those of the model.
func TestAnswersAreThoseOfTheModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		rules := Rules{Delay: 5 * time.Minute, RetryWindow: 4 * time.Hour, Lifetime: 20 * time.Hour, KnownAfter: 3}
		m := &model{rules, map[string]time.Time{}, map[string]time.Time{}, map[string]int{}, map[string]time.Time{}}
		disk, c := vfs.NewMem(), &clock{testStart}
		o := Options{Now: c.now, Rules: rules, CacheEntries: 8}
		g, end := openTest(r, disk, o)
		defer func() { end() }()
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			switch rapid.IntRange(0, 40).Draw(r, "what") {
			case 0:
				end()
				g, end = openTest(r, disk, o)
			case 1, 2:
				must(r, g.sweep(r.Context()))
			}
			step := rapid.SampledFrom([]time.Duration{0, time.Minute, 3 * time.Minute, time.Hour, 5 * time.Hour, 12 * time.Hour})
			c.t = c.t.Add(step.Draw(r, "time"))
			network := rapid.SampledFrom([]string{"10.0.0", "10.0.1"}).Draw(r, "network")
			triplet := fmt.Sprintf("%s/%d", network, rapid.IntRange(0, 4).Draw(r, "sender"))
			a := attempt(r, network+".1", triplet[len(network)+1:]+"x@b.test", "x@example.com")
			a.Sender = string(rune('a'+a.Sender[0]-'0')) + "@b.test"
			d, err := g.Check(r.Context(), a)
			must(r, err)
			if pass, wait := m.check(network, triplet, c.t); d.Pass != pass || d.Wait != wait {
				r.Fatalf("%s: %+v, want %v %v", triplet, d, pass, wait)
			}
		}
	})
}
