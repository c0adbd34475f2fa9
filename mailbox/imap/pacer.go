package imap

import (
	"context"
	"time"
)

// pacer slows a client down that sends commands faster than it may, over time.
type pacer struct {
	every time.Duration // a command
	burst time.Duration // as much may be saved up
	next  time.Time     // when the commands so far were due
}

func newPacer(perSecond int) pacer {
	every := time.Second / time.Duration(perSecond)
	return pacer{every: every, burst: 10 * time.Duration(perSecond) * every}
}

func (p *pacer) wait(ctx context.Context) {
	now := time.Now()
	if earliest := now.Add(-p.burst); p.next.Before(earliest) {
		p.next = earliest
	}
	p.next = p.next.Add(p.every)
	d := p.next.Sub(now)
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
