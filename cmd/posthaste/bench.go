package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/term"

	"github.com/posthaste-mta/posthaste/bench"
)

// benchCmd is `posthaste bench`.
type benchCmd struct {
	Run     benchRunCmd     `cmd:"" default:"withargs" help:"Measure posthaste (the default)."`
	Compare benchCompareCmd `cmd:"" help:"Measure posthaste beside other relays, in turns, with ratios."`
	List    benchListCmd    `cmd:"" help:"List the scenarios."`
}

// benchFlags are common to all runs.
type benchFlags struct {
	Scenario   []string `arg:"" optional:"" help:"Scenarios to run, or all; without any, all but backlog (see bench list)."`
	Messages   int      `short:"m" placeholder:"N" help:"Messages in each run, instead of the scenario's own number."`
	Sessions   int      `short:"s" placeholder:"N" help:"Clients at once."`
	Size       int      `placeholder:"BYTES" help:"Size of a message."`
	Rate       float64  `placeholder:"N" help:"Open loop at this many messages a second."`
	Domains    int      `placeholder:"N" help:"Destination domains, up to 100,000."`
	Sites      int      `placeholder:"N" help:"Receiving sites that share the domains."`
	Pipelining bool     `help:"Clients pipeline their commands."`
	Tools      bool     `help:"Load with Postfix's smtp-source and receive with its smtp-sink."`
	Rounds     int      `short:"r" default:"1" help:"Turns of each relay in each scenario (default 1)."`
	Addr       string   `placeholder:"HOST:PORT" help:"Measure a relay that runs already."`
	Dir        string   `default:"." placeholder:"DIR" help:"Make queues here: on the disk that matters."`
	Set        string   `placeholder:"TOML" help:"Lines to add to posthaste's configuration."`
	Keep       bool     `help:"Leave queues, logs and configurations behind."`
	Seed       uint64   `help:"Repeat random manners."`
	Report     string   `default:"bench-report" placeholder:"NAME" help:"Write NAME.json and NAME.html (default bench-report); empty writes none."`
}

// benchRunCmd is `posthaste bench [run]`.
type benchRunCmd struct{ benchFlags }

// benchCompareCmd is `posthaste bench compare`.
type benchCompareCmd struct {
	Peers []string `default:"postfix,exim,opensmtpd" sep:"," placeholder:"NAMES" help:"postfix, exim, opensmtpd, or straight for no relay at all; those not installed are left out."`
	Only  bool     `help:"Measure the peers alone."`
	benchFlags
}

// benchListCmd is `posthaste bench list`.
type benchListCmd struct{}

// Help is the long help.
func (benchCmd) Help() string {
	return `Starts the relay as a process of its own, with a small world of receiving hosts around it, and
loads it. An oracle compares what was acknowledged with what arrived. All on loopback.

Examples:
  posthaste bench                               # every scenario but backlog
  posthaste bench small --messages 100000
  posthaste bench compare small connections --peers postfix --rounds 3
  posthaste bench compare small --tools --peers postfix,straight`
}

// Run measures posthaste alone.
func (c *benchRunCmd) Run(p process) error { return c.measure(p, nil, false) }

// Run measures posthaste and its peers.
func (c *benchCompareCmd) Run(p process) error { return c.measure(p, c.Peers, c.Only) }

// Run lists the scenarios.
func (benchListCmd) Run(p process) error {
	for _, s := range bench.Scenarios() {
		fmt.Fprintf(p.stdout, "%-20s %s\n", s.Name, s.About)
	}
	return nil
}

func (f *benchFlags) measure(p process, peers []string, only bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(f.Dir) // the relays do not run in this folder
	if err != nil {
		return err
	}
	o := bench.Options{
		Binary: binary, Addr: f.Addr, Scenarios: f.Scenario, Messages: f.Messages, Sessions: f.Sessions, Size: f.Size,
		Rate: f.Rate, Domains: f.Domains, Sites: f.Sites, Pipelining: f.Pipelining, Only: only, Peers: peers,
		Rounds: f.Rounds, Dir: dir, Keep: f.Keep, Seed: f.Seed, Extra: f.Set, Lines: p.stderr,
	}
	if f.Tools {
		o.LoadTool, o.SinkTool = "smtp-source", "smtp-sink"
	}
	if e, ok := p.stderr.(*os.File); ok && term.IsTerminal(int(e.Fd())) {
		o.Progress = p.stderr
	}
	report, err := bench.Run(ctx, o)
	if report != nil {
		err = errors.Join(err, report.WriteTable(p.stdout), f.write(report))
	}
	return err
}

// write leaves the report as JSON and as a page.
func (f *benchFlags) write(r *bench.Report) error {
	if f.Report == "" {
		return nil
	}
	return errors.Join(
		writeFile(f.Report+".json", r.WriteJSON),
		writeFile(f.Report+".html", r.WriteHTML),
	)
}

// writeFile makes a file of what write writes.
func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
