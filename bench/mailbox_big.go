package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Mailbox is what reading mail costs.
type Mailbox struct {
	Messages int           `json:"messages"` // in the large mailbox
	StartRSS int64         `json:"start_rss"`
	Steps    []MailboxStep `json:"steps"`
	Idle     int           `json:"idle"` // connections
	IdleRSS  int64         `json:"idle_rss"`
	IdleEach float64       `json:"idle_each"` // bytes of RSS that each took
}

// MailboxStep is one command in the large mailbox, the median of some.
type MailboxStep struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Bytes   int64   `json:"bytes"` // of the answer
	RSS     int64   `json:"rss"`   // of the relay afterwards
}

const (
	idleConnections = 1000
	stepTimes       = 5
	oneTimes        = 500
)

// readBig times what mail programs ask of a large mailbox, then connects many that ask nothing.
func (r *run) readBig(ctx context.Context, relay *Running, res *Result) error {
	addr, boxes := loopback(r.set.IMAPPort), r.sc.Inlet.Mailboxes
	b := &Mailbox{Messages: boxes.Big, StartRSS: r.usage(relay).RSS}
	res.Mailbox = b
	c, err := dialIMAP(ctx, addr, boxes.account(0))
	if err != nil {
		return err
	}
	defer c.close()
	steps := []struct {
		name, before string
		times        int
		command      func() string
	}{
		{"SELECT", "UNSELECT", stepTimes, func() string { return "SELECT INBOX" }},
		{"FETCH FLAGS of all", "", stepTimes, func() string { return "FETCH 1:* (UID FLAGS)" }},
		{"SEARCH a header", "", stepTimes, func() string { return "SEARCH HEADER Subject nowhere" }},
		{"SEARCH unseen", "", stepTimes, func() string { return "SEARCH UNSEEN" }},
		{"UID FETCH of one", "", oneTimes, func() string { return fmt.Sprintf("UID FETCH %d BODY.PEEK[]", 1+rand.IntN(boxes.Big)) }},
	}
	for i, s := range steps {
		bar := r.opts.bar(s.name, int64(s.times))
		var took []time.Duration
		var read int64
		for n := range s.times {
			if s.before != "" && n > 0 {
				if err := c.command(s.before, nil); err != nil {
					return err
				}
			}
			begin, from := time.Now(), c.read
			if err := c.command(s.command(), nil); err != nil {
				return fmt.Errorf("%s: %w", steps[i].name, err)
			}
			took = append(took, time.Since(begin))
			read = c.read - from
			bar.set(int64(n))
		}
		bar.done()
		slices.Sort(took)
		b.Steps = append(b.Steps, MailboxStep{s.name, took[len(took)/2].Seconds(), read, r.usage(relay).RSS})
	}
	res.PeakRSS = r.usage(relay).RSS
	return r.connectMany(ctx, relay, b)
}

// connectMany connects programs that wait for news, in turn for all users but the first.
func (r *run) connectMany(ctx context.Context, relay *Running, b *Mailbox) error {
	addr, boxes := loopback(r.set.IMAPPort), r.sc.Inlet.Mailboxes
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i := 1; i < boxes.Users; i++ { // what a first login costs is not what is asked here
		c, err := dialIMAP(ctx, addr, boxes.account(i))
		if err != nil {
			return err
		}
		c.close()
	}
	pause(ctx, time.Second)
	before := r.usage(relay).RSS
	bar := r.opts.bar("idle connections", idleConnections)
	defer bar.done()
	for i := range idleConnections {
		c, err := dialIMAP(ctx, addr, boxes.account(1+i%(boxes.Users-1)))
		if err != nil {
			return err
		}
		defer c.close()
		if _, err := c.selectInbox(); err != nil {
			return err
		}
		if err := c.send("IDLE"); err != nil {
			return err
		}
		if _, err := c.response(); err != nil {
			return err
		}
		bar.set(int64(i))
	}
	pause(ctx, time.Second)
	b.Idle, b.IdleRSS = idleConnections, r.usage(relay).RSS
	b.IdleEach = float64(b.IdleRSS-before) / idleConnections
	return ctx.Err()
}

// lines tells the figures in words.
func (b *Mailbox) lines() []string {
	if b == nil {
		return nil
	}
	lines := []string{fmt.Sprintf("RSS %s with nobody there", size(b.StartRSS))}
	for _, s := range b.Steps {
		lines = append(lines, fmt.Sprintf("%s, of %d messages: %s, answer of %s, RSS %s", s.Name, b.Messages, ms(s.Seconds), size(s.Bytes), size(s.RSS)))
	}
	return append(lines, fmt.Sprintf("%d idle connections: RSS %s, %s each", b.Idle, size(b.IdleRSS), size(int64(b.IdleEach))))
}
