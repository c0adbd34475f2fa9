package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/posthaste-mta/posthaste/bench/world"
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

// toolSink is a running smtp-sink.
type toolSink struct {
	cmd   *exec.Cmd
	ended chan struct{}

	mu       sync.Mutex
	out      []byte // the end of what it printed
	messages int64
	want     int64
	all      chan struct{} // closed when want messages have arrived
}

// Write takes the counters that smtp-sink -c prints after each message: "sess=1 quit=0 mesg=17\r".
func (s *toolSink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = append(s.out, b...)
	if i := bytes.LastIndexByte(s.out, '\r'); i >= 0 {
		line := s.out[:i]
		if j := bytes.LastIndex(line, []byte("mesg=")); j >= 0 {
			s.messages, _ = strconv.ParseInt(string(bytes.TrimSpace(line[j+5:])), 10, 64)
		}
		s.out = append(s.out[:0], s.out[i+1:]...)
	}
	if s.messages >= s.want && s.want > 0 {
		close(s.all)
		s.want = 0
	}
	return len(b), nil
}

func (s *toolSink) count() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages
}

func (s *toolSink) stop() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// startSink starts smtp-sink for the given number of messages.
func startSink(ctx context.Context, addr string, messages int) (*toolSink, error) {
	path, err := toolPath("smtp-sink")
	if err != nil {
		return nil, err
	}
	args := []string{"-c", "-m", "1000", addr, "1000"}
	if os.Geteuid() == 0 { // it refuses to be root
		args = append([]string{"-u", "postfix"}, args...)
	}
	s := &toolSink{cmd: exec.Command(path, args...), ended: make(chan struct{}), want: int64(messages), all: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = s, s
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	if err := waitListening(ctx, addr, s.ended); err != nil {
		s.stop()
		return nil, fmt.Errorf("smtp-sink: %w: %s", err, s.out)
	}
	return s, nil
}

// runTools measures with Postfix's smtp-source as the load and smtp-sink as the only next hop: a
// yardstick that others can repeat without us. Neither can tell what was lost or doubled beyond
// the count.
func runTools(ctx context.Context, opts *Options, sc Scenario, subject Subject) (res Result, err error) {
	res = Result{Scenario: sc.Name, Relay: subject.Name(), Tools: "smtp-source, smtp-sink"}
	if sc.Sites > 0 || sc.Manner.Delay > 0 || sc.Manner.TempFail > 0 || sc.Backlog || sc.Load.Rate > 0 || sc.Inlet != (Inlet{}) {
		return res, errors.New("smtp-source and smtp-sink cannot do this scenario")
	}
	r := &run{sc: sc, subject: subject, opts: opts, oracle: NewOracle(1)}
	if err := r.prepare(); err != nil {
		return res, err
	}
	defer r.clean()
	port, err := freePort()
	if err != nil {
		return res, err
	}
	r.set.NextHop = loopback(port)
	sink, err := startSink(ctx, r.set.NextHop, sc.Load.Messages)
	if err != nil {
		return res, err
	}
	defer sink.stop()
	relay, err := subject.Start(ctx, r.set)
	if err != nil {
		return res, err
	}
	err = r.measureTools(ctx, relay, sink, &res)
	return res, errors.Join(err, relay.Stop())
}

func (r *run) measureTools(ctx context.Context, relay *Running, sink *toolSink, res *Result) error {
	r.load = NewLoader(r.sc.Load, relay.Addr, r.oracle)
	before, diskBefore := r.usage(relay), diskWritten(r.dir)
	watchCtx, stopWatch := context.WithCancel(ctx)
	watched := make(chan struct{})
	r.begin = time.Now()
	go func() {
		defer close(watched)
		r.watch(watchCtx, relay)
	}()
	err := r.source(ctx)
	loadEnd := time.Now()
	if err == nil {
		err = sink.wait(ctx)
	}
	end := time.Now()
	stopWatch()
	<-watched
	after := r.usage(relay)
	n := int64(r.load.Messages)
	res.Sent = LoadResult{Acked: n, Wall: loadEnd.Sub(r.begin)}
	r.fill(res, relay, before, after, loadEnd)
	res.Series, res.Wall = nil, end.Sub(r.begin).Seconds()
	res.DeliveredPerSecond = perSecond(n, end.Sub(r.begin))
	res.MBPerSecond = res.DeliveredPerSecond * float64(r.load.Size) / 1e6
	res.DiskPerMessage = perMessage(diskWritten(r.dir)-diskBefore, n)
	got := sink.count()
	res.Tally = Tally{Acknowledged: n, Delivered: min(got, n), Lost: max(0, n-got), Doubled: max(0, got-n)}
	res.Trouble = trouble(res)
	return err
}

// source runs smtp-source to its end.
func (r *run) source(ctx context.Context) error {
	path, err := toolPath("smtp-source")
	if err != nil {
		return err
	}
	l := &r.load.Load
	args := []string{"-s", strconv.Itoa(l.Sessions), "-m", strconv.Itoa(l.Messages), "-l", strconv.Itoa(l.Size),
		"-f", "load@" + SenderDomain, "-t", "sink@" + world.TownDomain(0)}
	if l.Reuse != 1 {
		args = append(args, "-d") // keep the connection
	}
	out, err := exec.CommandContext(ctx, path, append(args, r.load.Addr)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("smtp-source: %w: %s", err, out)
	}
	return nil
}

// wait returns when all messages have arrived, or none has for long.
func (s *toolSink) wait(ctx context.Context) error {
	last := int64(-1)
	for {
		select {
		case <-s.all:
			return nil
		case <-s.ended:
			return errors.New("smtp-sink ended")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(patience):
			if n := s.count(); n == last {
				return nil // the tally says what is missing
			} else {
				last = n
			}
		}
	}
}
