package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// toolsAvailable tells whether Postfix's test programs are there.
func toolsAvailable() error {
	for _, name := range []string{"smtp-source", "smtp-sink"} {
		if _, err := toolPath(name); err != nil {
			return fmt.Errorf("%s is missing: apt-get install postfix", name)
		}
	}
	return nil
}

func toolPath(name string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	p := "/usr/sbin/" + name
	_, err := os.Stat(p)
	return p, err
}

// runTools measures with Postfix's smtp-source as the load and smtp-sink as the only next hop: a
// yardstick that others can repeat without us. The sink ends by itself when all has arrived; neither
// can tell what was lost or doubled.
func runTools(ctx context.Context, opts *Options, sc Scenario, subject Subject) (res Result, err error) {
	res = Result{Scenario: sc.Name, Relay: subject.Name(), Tools: "smtp-source, smtp-sink"}
	if sc.Sites > 0 || sc.Manner.Delay > 0 || sc.Manner.TempFail > 0 || sc.Backlog || sc.Load.Rate > 0 {
		return res, errors.New("smtp-source and smtp-sink cannot do this scenario")
	}
	r := &run{sc: sc, subject: subject, opts: opts, oracle: NewOracle(1)}
	if err := r.prepare(); err != nil {
		return res, err
	}
	defer func() {
		if !opts.Keep {
			_ = os.RemoveAll(r.dir)
		}
	}()
	port, err := freePort()
	if err != nil {
		return res, err
	}
	r.set.NextHop = loopback(port)
	sinkPath, _ := toolPath("smtp-sink")
	sink := exec.CommandContext(ctx, sinkPath, "-M", strconv.Itoa(sc.Load.Messages), "-m", "1000", r.set.NextHop, "1000")
	if os.Geteuid() == 0 {
		sink.Args = append(sink.Args[:1], append([]string{"-u", "postfix"}, sink.Args[1:]...)...)
	}
	arrived, err := startTool(sink, r.set.NextHop)
	if err != nil {
		return res, err
	}
	defer func() {
		_ = sink.Process.Kill()
		<-arrived
	}()
	relay, err := subject.Start(ctx, r.set)
	if err != nil {
		return res, err
	}
	err = r.measureTools(ctx, relay, arrived, &res)
	return res, errors.Join(err, relay.Stop())
}

// startTool starts a server; the channel closes at its end.
func startTool(cmd *exec.Cmd, addr string) (chan struct{}, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	if err := waitListening(context.Background(), addr, done); err != nil {
		_ = cmd.Process.Kill()
		<-done
		return nil, fmt.Errorf("%s: %w: %s", cmd.Path, err, out.Bytes())
	}
	return done, nil
}

func (r *run) measureTools(ctx context.Context, relay *Running, arrived <-chan struct{}, res *Result) error {
	path, _ := toolPath("smtp-source")
	l := r.sc.Load
	args := []string{"-s", strconv.Itoa(l.Sessions), "-m", strconv.Itoa(l.Messages), "-l", strconv.Itoa(l.Size),
		"-f", "load@" + SenderDomain, "-t", "sink@d0.bench.test"}
	if l.Reuse != 1 {
		args = append(args, "-d")
	}
	before, diskBefore := r.usage(relay), diskWritten(r.dir)
	watchCtx, stopWatch := context.WithCancel(ctx)
	watched := make(chan struct{})
	r.begin = time.Now()
	go func() {
		defer close(watched)
		r.watch(watchCtx, relay)
	}()
	out, err := exec.CommandContext(ctx, path, append(args, relay.Addr)...).CombinedOutput()
	loadEnd := time.Now()
	if err != nil {
		err = fmt.Errorf("smtp-source: %w: %s", err, out)
	} else {
		select {
		case <-arrived:
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(patience + time.Duration(l.Messages)*10*time.Millisecond):
			err = errors.New("smtp-sink still waits for messages")
		}
	}
	end := time.Now()
	stopWatch()
	<-watched
	after := r.usage(relay)
	if err != nil {
		return err
	}
	n := int64(l.Messages)
	r.load = NewLoader(l, relay.Addr, r.oracle)
	res.Sent = LoadResult{Acked: n, Wall: loadEnd.Sub(r.begin)}
	r.fill(res, relay, before, after, loadEnd)
	res.Series, res.Wall = nil, end.Sub(r.begin).Seconds()
	res.DeliveredPerSecond = perSecond(n, end.Sub(r.begin))
	res.MBPerSecond = res.DeliveredPerSecond * float64(l.Size) / 1e6
	res.DiskPerMessage = perMessage(diskWritten(r.dir)-diskBefore, n)
	return nil
}
