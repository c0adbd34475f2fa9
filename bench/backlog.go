package bench

import (
	"context"
	"errors"
	"time"

	"github.com/posthaste-mta/posthaste/bench/world"
)

// backlog fills the queue while the next hop is down, restarts the relay with it up, and watches how soon it serves.
func (r *run) backlog(ctx context.Context, res *Result) error {
	cfg := r.sink()
	cfg.MaxAddresses = 1
	port, err := freePort() // nobody listens there until the restart
	if err != nil {
		return err
	}
	cfg.Port = uint16(port)
	r.set.NextHop = loopback(port)
	relay, err := r.subject.Start(ctx, r.set)
	if err != nil {
		return err
	}
	if relay.Group == nil {
		return errors.Join(errors.New("backlog: a relay that the bench does not start cannot be restarted"), relay.Stop())
	}
	b := &Backlog{}
	res.Backlog = b
	if err := r.fillQueue(ctx, relay, res); err != nil {
		return errors.Join(err, relay.Stop())
	}
	b.Queued = res.Sent.Acked
	b.RSS = max(r.peak.RSS, relay.Group.PeakRSS())
	stopping := time.Now()
	if err := relay.Stop(); err != nil {
		return err
	}
	b.StopDuration = time.Since(stopping).Seconds()
	all, log := diskUse(r.set.Dir)
	b.DiskUse, b.LogUse = all-log, log
	b.DiskRatio = perMessage(b.DiskUse, b.Queued*int64(r.load.Size))
	// All mail shall be due at the restart, whatever jitter the relay adds: what is measured is how
	// soon it serves, not its schedule.
	pause(ctx, r.sc.Retry*3/2)
	return r.restart(ctx, cfg, res)
}

// fillQueue sends everything to a relay that can deliver nothing.
func (r *run) fillQueue(ctx context.Context, relay *Running, res *Result) (err error) {
	r.load.Addr = relay.Addr
	r.filling = true
	defer func() { r.filling = false }()
	r.begin = time.Now()
	before, disk := r.usage(relay), diskWritten(r.dir)
	watchCtx, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		r.watch(watchCtx, relay)
	}()
	res.Sent, err = r.load.Run(ctx)
	end := time.Now()
	stop()
	<-watched
	after := r.usage(relay)
	r.fill(res, relay, before, after, end)
	res.DiskPerMessage = perMessage(diskWritten(r.dir)-disk, res.Sent.Acked)
	return err
}

// restart starts the relay on the full queue, with the next hop up.
func (r *run) restart(ctx context.Context, cfg world.Config, res *Result) (err error) {
	if r.world, err = world.Start(ctx, cfg); err != nil {
		return err
	}
	defer r.world.Stop()
	b := res.Backlog
	r.peak = Peak{}
	started := time.Now()
	relay, err := r.subject.Start(ctx, r.set)
	if err != nil {
		return err
	}
	one := NewLoader(r.sc.Load, relay.Addr, r.oracle)
	one.Messages, one.Sessions, one.First = 1, 1, uint64(r.sc.Load.Messages)
	if _, err := one.Run(ctx); err != nil {
		return errors.Join(err, relay.Stop())
	}
	b.FirstAnswer = time.Since(started).Seconds()
	watchCtx, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		r.watch(watchCtx, relay)
	}()
	err = r.drain(ctx)
	stop()
	<-watched
	u := r.usage(relay)
	if seen := r.oracle.FirstOf(uint64(r.sc.Load.Messages)); !seen.IsZero() {
		b.FirstRetry = seen.Sub(started).Seconds()
	}
	b.Drained = r.oracle.LastArrival().Sub(started).Seconds()
	b.RestartRSS = max(r.peak.RSS, relay.Group.PeakRSS())
	res.Tally = r.oracle.Tally()
	b.DrainPerSec = float64(res.Tally.Delivered) / max(b.Drained, 1e-9)
	b.CPUDrain = u.CPU.Seconds() / max(float64(res.Tally.Delivered), 1) * 1000
	res.Delivered = Latency{} // measures how long the next hop was down
	res.Wall, res.DeliveredPerSecond = b.Drained, b.DrainPerSec
	res.MBPerSecond = b.DrainPerSec * float64(r.load.Size) / 1e6
	res.Series = r.series
	res.Trouble = trouble(res)
	return errors.Join(err, relay.Stop())
}
