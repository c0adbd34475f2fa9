package queue

import (
	"testing"
	"time"
)

// The wall clock is set forward and back: the smoothed clock goes on, faster or slower, until it
// agrees.
func TestClockSmoothsJumps(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var c Clock
	c.wall = start
	at := func(wall, mono time.Duration) time.Duration { return c.read(start.Add(wall), mono).Sub(start) }
	steps := []struct {
		what             string
		wall, mono, want time.Duration
	}{
		{"steady", time.Minute, time.Minute, time.Minute},
		{"slewed a little", 2*time.Minute + 500*time.Millisecond, 2 * time.Minute, 2*time.Minute + 500*time.Millisecond},
		{"set forward by an hour", time.Hour + 3*time.Minute, 3 * time.Minute, 4*time.Minute + 500*time.Millisecond},
		{"catches up at twice the speed", time.Hour + 13*time.Minute, 13 * time.Minute, 24*time.Minute + 500*time.Millisecond},
		{"has caught up", 3*time.Hour + 3*time.Minute, 123 * time.Minute, 3*time.Hour + 3*time.Minute},
		{"set back by an hour", 2*time.Hour + 4*time.Minute, 124 * time.Minute, 3*time.Hour + 3*time.Minute + 30*time.Second},
		{"half speed", 2*time.Hour + 14*time.Minute, 134 * time.Minute, 3*time.Hour + 8*time.Minute + 30*time.Second},
		{"agrees again", 5 * time.Hour, 300 * time.Minute, 5 * time.Hour},
	}
	for _, s := range steps {
		if got := at(s.wall, s.mono); got != s.want {
			t.Errorf("%s: %v, want %v", s.what, got, s.want)
		}
	}
}

func TestClockNow(t *testing.T) {
	var c Clock
	if d := time.Since(c.Now()); d < -time.Second || d > time.Minute {
		t.Errorf("off by %v", d)
	}
}
