package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/posthaste-mta/posthaste/bench/world"
)

const (
	sampleEvery = 250 * time.Millisecond
	memoryEvery = 4 // samples; reading the memory of hundreds of processes is not free
	// patience is how long nothing may arrive before the rest counts as lost.
	patience = 30 * time.Second
	// settledAfter is how many samples in a row a relay must be idle to be at rest.
	settledAfter = 4
	// lateness is how long a second delivery of something is waited for.
	lateness = 300 * time.Millisecond
)

// run is one scenario on one relay.
type run struct {
	sc      Scenario
	subject Subject
	opts    *Options
	dir     string
	set     Setting
	oracle  *Oracle
	load    *Loader
	world   *world.World // nil when smtp-sink receives
	senders *senders     // of a load that is signed, or comes from clients with names
	peak    Peak
	series  []Point
	begin   time.Time
	filling bool // nothing is to be delivered yet
}

// runScenario measures subject in sc. The Result is useful also with an error.
func runScenario(ctx context.Context, opts *Options, sc Scenario, subject Subject) (res Result, err error) {
	res = Result{Scenario: sc.Name, Relay: subject.Name(), Tools: "built in"}
	r := &run{sc: sc, subject: subject, opts: opts, oracle: NewOracle(sc.Load.Recipients)}
	r.load = NewLoader(sc.Load, "", r.oracle)
	if err := r.prepare(); err != nil {
		return res, err
	}
	defer r.clean()
	if err := r.prepareInlet(ctx); err != nil {
		return res, err
	}
	if sc.Backlog {
		return res, r.backlog(ctx, &res)
	}
	if err := r.startWorld(ctx); err != nil {
		return res, err
	}
	defer r.world.Stop()
	relay, err := subject.Start(ctx, r.set)
	if err != nil {
		return res, err
	}
	switch {
	case sc.BigMailbox:
		err = r.readBig(ctx, relay, &res)
	case sc.Inlet.Mailboxes.Users > 0 && !sc.BusyMailboxes:
		err = r.deliverHere(ctx, relay, &res)
	default:
		err = r.measure(ctx, relay, &res)
	}
	if stopErr := relay.Stop(); err == nil {
		err = stopErr
	}
	if sc.Disk && err == nil {
		err = r.compareDisk(&res)
	}
	return res, err
}

// prepare makes the folder and the setting, all but the way to the world.
func (r *run) prepare() error {
	dir, err := os.MkdirTemp(r.opts.Dir, "posthaste-bench-")
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // Postfix and others run as users of their own
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	imapPort := 0
	if r.sc.Inlet.Mailboxes.Users > 0 {
		if imapPort, err = freePort(); err != nil {
			return err
		}
	}
	r.dir = dir
	keys, err := makeSigningKeys(dir, r.sc.Sign)
	if err != nil {
		return err
	}
	r.oracle.signatures = len(keys)
	r.set = Setting{
		Signing: keys,
		Dir:     filepath.Join(dir, "relay"), Port: port, Connections: r.sc.Connections, Retry: r.sc.Retry,
		NoChunking: r.sc.NoChunking, Inlet: r.sc.Inlet, IMAPPort: imapPort,
	}
	return os.Mkdir(r.set.Dir, 0o755)
}

// prepareInlet signs the mail, and lets the relay learn what it shall know beforehand.
func (r *run) prepareInlet(ctx context.Context) (err error) {
	if r.sc.Inlet == (Inlet{}) {
		return nil
	}
	if r.senders = r.opts.senders; r.senders == nil || r.senders.load != r.sc.Load {
		bar := r.opts.bar("signatures", int64(r.sc.Load.Messages))
		r.senders, err = newSenders(ctx, r.sc.Load, bar.set)
		if bar.done(); err != nil {
			return err
		}
		r.opts.senders = r.senders
	}
	r.load.Above = r.senders.above
	if p, ok := r.subject.(preparer); ok {
		return p.Prepare(ctx, r.set, r.sc.Load, r.opts.bar)
	}
	return nil
}

// settle waits until the relay has done what it does once after its start with what it knows.
func (r *run) settle(ctx context.Context, relay *Running) error {
	if r.sc.Load.Logins > 0 {
		if err := r.load.WarmUp(ctx); err != nil {
			return err
		}
	}
	if r.sc.Inlet.Stock == (Stock{}) || relay.Group == nil {
		return ctx.Err()
	}
	last, idle := r.usage(relay).CPU, 0
	for begin := time.Now(); idle < settledAfter && time.Since(begin) < patience; {
		pause(ctx, sampleEvery)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		now := r.usage(relay).CPU
		if idle++; now-last > sampleEvery/50 {
			idle = 0
		}
		last = now
	}
	return nil
}

// clean removes the folder with the relay's queue.
func (r *run) clean() {
	if !r.opts.Keep {
		_ = os.RemoveAll(r.dir)
	}
}

// sink is the world of a scenario.
func (r *run) sink() world.Config {
	town := world.Town(r.sc.Load.Domains, r.sc.Sites, 1, r.sc.Manner)
	if r.sc.Mixed {
		for i := range town {
			town[i].Manner = mixedManner(i, r.sc.Manner)
		}
	}
	cfg := world.Config{
		Sites:     town,
		CatchAll:  &world.Site{Hosts: []string{"mx1.sender.bench.test"}, Domains: []string{SenderDomain}},
		Seed:      r.opts.Seed,
		OnMessage: r.oracle.Arrived,
		OnRefused: r.oracle.RefusedThere,
	}
	if r.senders != nil {
		cfg.Records, cfg.Zones = r.senders.records(), r.senders.zones()
	}
	return cfg
}

func (r *run) startWorld(ctx context.Context) (err error) {
	cfg := r.sink()
	if r.world, err = world.Start(ctx, cfg); err != nil {
		return err
	}
	r.set.DNS, r.set.DeliveryPort = r.world.DNSAddr(), int(r.world.Port())
	if r.sc.Sites == 0 {
		r.set.NextHop = r.world.HostAddr(cfg.Sites[0].Hosts[0])
		return nil
	}
	r.set.Table = map[string]string{SenderDomain: r.world.HostAddr("mx1.sender.bench.test")}
	for _, s := range cfg.Sites {
		for _, d := range s.Domains {
			r.set.Table[d] = r.world.HostAddr(s.Hosts[0])
		}
	}
	return nil
}

// measure loads a running relay and waits until it has delivered.
func (r *run) measure(ctx context.Context, relay *Running, res *Result) error {
	r.load.Addr = relay.Addr
	if err := r.settle(ctx, relay); err != nil {
		return err
	}
	busy, err := r.beBusy(ctx, relay)
	if err != nil {
		return err
	}
	before, diskBefore := r.usage(relay), diskWritten(r.dir)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.begin = time.Now()
	watched := make(chan struct{})
	watchCtx, stopWatch := context.WithCancel(ctx)
	go func() {
		defer close(watched)
		r.watch(watchCtx, relay)
	}()
	sent, err := r.load.Run(ctx)
	loadEnd := time.Now()
	if err == nil {
		err = r.drain(ctx)
	}
	stopWatch()
	<-watched
	after := r.usage(relay)
	res.Sent = sent
	r.fill(res, relay, before, after, loadEnd)
	res.DiskPerMessage = perMessage(diskWritten(r.dir)-diskBefore, sent.Acked)
	return errors.Join(err, busy.stop())
}

func (r *run) usage(relay *Running) Usage {
	if relay.Group == nil {
		return Usage{}
	}
	u, _ := relay.Group.Usage(true)
	r.peak.note(u)
	return u
}

// watch samples until ctx ends and shows the progress.
func (r *run) watch(ctx context.Context, relay *Running) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	total := int64(r.sc.Load.Messages * r.sc.Load.Recipients)
	bar := r.opts.bar(fmt.Sprintf("%s: %s", r.subject.Name(), r.sc.Name), total)
	defer bar.done()
	for i := 0; ; i++ {
		acked, arrived := r.oracle.Counts()
		p := Point{At: time.Since(r.begin).Seconds(), Accepted: acked, Delivered: arrived}
		if relay.Group != nil {
			u, _ := relay.Group.Usage(i%memoryEvery == 0)
			r.peak.note(u)
			p.PSS, p.CPU = u.PSS, u.CPU.Seconds()
		}
		r.series = append(r.series, p)
		if r.filling {
			arrived = acked
		}
		bar.set(min(arrived, total))
		select {
		case <-tick.C:
		case <-ctx.Done():
			acked, arrived = r.oracle.Counts()
			r.series = append(r.series, Point{At: time.Since(r.begin).Seconds(), Accepted: acked, Delivered: arrived})
			return
		}
	}
}

// drain waits until everything acknowledged has ended, or nothing has moved for long.
func (r *run) drain(ctx context.Context) error {
	last, since := r.oracle.Pending(), time.Now()
	for r.oracle.Pending() > 0 {
		pause(ctx, 5*time.Millisecond)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if now := r.oracle.Pending(); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > patience+2*r.sc.Retry {
			return nil // the tally says what is missing
		}
	}
	pause(ctx, lateness)
	return nil
}

// fill computes the figures.
func (r *run) fill(res *Result, relay *Running, before, after Usage, loadEnd time.Time) {
	t := r.oracle.Tally()
	res.Tally = t
	end := r.oracle.LastArrival()
	if end.Before(r.begin) {
		end = time.Now()
	}
	wall := end.Sub(r.begin)
	res.Wall = wall.Seconds()
	res.AcceptedPerSecond = perSecond(res.Sent.Acked, loadEnd.Sub(r.begin))
	res.DeliveredPerSecond = perSecond(t.Delivered, wall)
	res.MBPerSecond = res.DeliveredPerSecond * float64(r.load.Size) / 1e6
	res.Answered, res.Delivered = r.load.Answered.Latency(), r.oracle.Delivered.Latency()
	res.Series = r.series
	if r.sc.Manner.Delay > 0 {
		res.PerRoundTrip = res.DeliveredPerSecond * r.sc.Manner.Delay.Seconds()
	}
	if relay.Group != nil {
		res.CPUPerThousand = perMessage(1, res.Sent.Acked) * 1000 * (after.CPU - before.CPU).Seconds()
		res.CPUExact = relay.Group.Exact()
		res.PeakRSS, res.PeakPSS = r.peak.RSS, r.peak.PSS
		if after.Procs == 1 {
			res.PeakRSS = max(res.PeakRSS, relay.Group.PeakRSS())
		}
		res.WrittenPerMessage = perMessage(after.Written-before.Written, res.Sent.Acked)
		res.Processes = after.Procs
	}
	res.Trouble = trouble(res)
}

// trouble says what a reader must know before the figures.
func trouble(res *Result) string {
	t, s := res.Tally, ""
	note := func(n int64, what string) {
		if n > 0 {
			s += fmt.Sprintf("%d %s; ", n, what)
		}
	}
	note(t.Lost, "not delivered while the bench waited")
	note(t.Doubled, "doubled")
	note(t.Corrupted, "corrupted")
	note(t.Mixed, "mixed up")
	note(t.AfterRefusal, "delivered though refused")
	note(t.Strangers, "to strangers")
	note(t.Unsigned, "without the signatures")
	if t.Bounces != t.Rejected {
		note(t.Bounces, "bounces")
	}
	note(res.Sent.Refused, "messages refused")
	note(res.Sent.Broken, "connections broken")
	if res.Sent.LastErr != "" {
		s += "last error: " + res.Sent.LastErr
	}
	return s
}
