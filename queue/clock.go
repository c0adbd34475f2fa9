package queue

import (
	"sync"
	"time"
)

// Clock tells the time of day without its jumps: when the wall clock is set, Clock goes on at twice
// or half speed until it agrees again. So a clock set forward makes no storm of retries and expires
// nothing early, and one set back does not stop delivery. The zero value is ready for use.
type Clock struct {
	mu    sync.Mutex
	start time.Time     // the origin of the monotonic readings
	wall  time.Time     // the wall clock at the newest reading
	mono  time.Duration // the monotonic clock then
	ahead time.Duration // how far we were ahead of the wall clock then
}

// jump is the difference taken for a set clock; what is less is ordinary slewing and followed at
// once.
const jump = time.Second

// Now tells the smoothed time, in UTC and without a monotonic part.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.start.IsZero() {
		c.start, c.wall = now, now.Round(0)
	}
	return c.read(now.Round(0), now.Sub(c.start))
}

// read takes a reading of both clocks.
func (c *Clock) read(wall time.Time, mono time.Duration) time.Time {
	passed := mono - c.mono
	if set := wall.Sub(c.wall) - passed; set > jump || set < -jump {
		c.ahead -= set
	}
	if c.ahead > 0 {
		c.ahead -= min(c.ahead, passed/2) // half speed
	} else {
		c.ahead += min(-c.ahead, passed) // twice the speed
	}
	c.wall, c.mono = wall, mono
	return wall.Add(c.ahead).UTC()
}
