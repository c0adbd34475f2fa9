package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/relay"
)

// serveCmd is `posthaste serve`.
type serveCmd struct {
	Config    string `short:"c" default:"${config}" placeholder:"FILE" help:"The configuration (default ${config})."`
	LogFormat string `placeholder:"FORMAT" enum:",json,postfix,text" default:"" help:"Print events on standard output as json, postfix or text, beside the event log."`
}

// Help is the long help.
func (serveCmd) Help() string {
	return `Runs until SIGTERM or SIGINT; then nothing new is taken, what is under way may end within
the drain time, and the rest stays in the queue. A second signal ends at once; nothing is lost then
either. SIGHUP reads the configuration again.

Exit codes: 0 ended as asked, 78 the configuration is wrong, 70 something failed while running.

Examples:
  posthaste serve --config posthaste.toml
  posthaste serve -c posthaste.toml --log-format=postfix`
}

// Run serves.
func (c *serveCmd) Run(p process) error {
	cfg, pos, err := LoadConfig(c.Config)
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.Config == defaultConfigFile:
		return configError(fmt.Errorf("%w; name another with --config, or look around without one: posthaste up", err))
	case err != nil:
		return configError(err)
	}
	log, err := newLogger(cfg)
	if err != nil {
		return withCode(exitConfig, err)
	}
	defer log.Sync()
	signals := catchSignals()
	defer signal.Stop(signals)
	d, err := newDaemon(cfg, c.Config, log, daemonOptions{sinks: c.sinks(p), positions: *pos})
	if err != nil {
		return withCode(exitUnavailable, err)
	}
	for _, door := range d.doors {
		for _, s := range door.sockets {
			log.Info("listening", zap.String("listener", door.Name), zap.Stringer("address", s.Addr()), zap.String("kind", door.Kind))
		}
	}
	for _, door := range d.mailDoors {
		for _, s := range door.sockets {
			log.Info("listening", zap.String("listener", door.Name), zap.Stringer("address", s.Addr()), zap.String("kind", door.Kind))
		}
	}
	if err := notify(notifyReady); err != nil {
		log.Warn("systemd was not told", zap.Error(err))
	}
	stopWatchdog := startWatchdog(d)
	defer stopWatchdog()
	return runDaemon(d, signals)
}

// sinks is where events go beside the event log.
func (c *serveCmd) sinks(p process) []relay.EventSink {
	if c.LogFormat == "" {
		return nil
	}
	return []relay.EventSink{{Writer: p.stdout, Format: eventFormat(c.LogFormat)}}
}

// catchSignals begins to catch what onSignal acts on. It is called before the daemon can be seen from outside: a
// signal that comes sooner than it is ready to act waits, and does not kill it.
func catchSignals() chan os.Signal {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	return signals
}

// runDaemon runs d until a signal ends it.
func runDaemon(d *daemon, signals <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hurry, cancelHurry := context.WithCancel(context.Background())
	defer cancelHurry()
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case s := <-signals:
				d.onSignal(s, ctx, cancel, cancelHurry)
			case <-done:
				return
			}
		}
	}()
	if err := d.run(ctx, hurry); err != nil {
		return withCode(exitSoftware, err)
	}
	return nil
}

// onSignal acts on one signal: SIGHUP reloads, a first end drains, a second one hurries.
func (d *daemon) onSignal(s os.Signal, ctx context.Context, end, hurry func()) {
	switch {
	case s == syscall.SIGHUP:
		if _, err := d.reload(); err != nil {
			d.log.Error("configuration not changed", zap.Error(err))
		}
	case ctx.Err() == nil:
		if err := notify(notifyStopping); err != nil {
			d.log.Warn("systemd was not told", zap.Error(err))
		}
		end()
	default:
		hurry()
	}
}
