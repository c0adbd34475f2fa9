package queue

import (
	"runtime"
	"time"
)

// A sync costs about 100 µs of processor time however much it writes, so what comes at the same
// time should share one. The committer waits for company where that costs nobody anything:
// settlements wait a moment for a message to ride with, and messages wait only while many senders
// are at work, never when there is one.

const (
	settleWait = time.Millisecond       // the longest wait of a settlement for company
	settleFull = 64                     // settlements that are company enough
	paceFrom   = 4                      // senders at work below which messages never wait
	paceEach   = 100 * time.Microsecond // wait for each sender at work, between starts of commits
	paceMost   = 2 * time.Millisecond
)

// pace estimates how many senders are at work.
type pace struct {
	puts    int       // expected in a batch
	started time.Time // of the last commit
	timer   *time.Timer
}

// observe takes in the number of messages in a batch. The estimate rises at once and falls slowly.
func (p *pace) observe(puts int, now time.Time) {
	p.started = now
	if puts > 0 {
		p.puts = max(puts, p.puts-1-p.puts/8)
	}
}

// deadline tells until when a batch with this many messages may wait.
func (p *pace) deadline(puts int, first time.Time) time.Time {
	switch {
	case puts == 0:
		return first.Add(settleWait)
	case p.puts < paceFrom:
		return first
	}
	return p.started.Add(min(paceMost, time.Duration(p.puts)*paceEach))
}

// gather collects the requests of one batch.
func (c *committer) gather(r *request) {
	first := time.Now()
	c.pending = c.pending[:0]
	bytes, puts := 0, 0
	take := func(r *request) {
		c.pending = append(c.pending, r)
		bytes += r.bytes
		if len(r.outcomes) == 0 { // a report is in no hurry
			puts += len(r.puts)
		}
	}
	full := func() bool { return bytes >= maxBatchBytes || len(c.pending) >= maxBatchRequests }
	drain := func() {
		for !full() {
			select {
			case r := <-c.requests:
				take(r)
			default:
				return
			}
		}
	}
	take(r)
	for !full() {
		// Those who can run now may have something: let them.
		drain()
		before := len(c.pending)
		runtime.Gosched()
		if drain(); len(c.pending) > before {
			continue
		}
		enough := puts >= max(1, c.pace.puts) || puts == 0 && len(c.pending) >= settleFull
		wait := time.Until(c.pace.deadline(puts, first))
		if enough || wait <= 0 || !c.wait(wait, take) {
			break
		}
	}
	c.pace.observe(puts, time.Now())
}

// wait waits for one more request; false means that there was none in time.
func (c *committer) wait(d time.Duration, take func(*request)) bool {
	if c.pace.timer == nil {
		c.pace.timer = time.NewTimer(d)
	} else {
		c.pace.timer.Reset(d)
	}
	defer c.pace.timer.Stop()
	select {
	case r := <-c.requests:
		take(r)
		return true
	case <-c.pace.timer.C:
	case <-c.stop:
	case <-c.store.failed:
	}
	return false
}
