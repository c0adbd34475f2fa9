package main

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/relay"
)

// watchdog tells systemd at each interval that we are alive, for as long as alive returns nil; one that hangs is as
// good as dead. When systemd has not heard of us for twice the interval it ends the process, with a dump of what
// every goroutine waits for, and starts it again.
type watchdog struct {
	interval time.Duration
	alive    func() error
	tell     func(...string) error
	log      *zap.Logger
}

// startWatchdog starts d's watchdog, if systemd wants one. The returned function ends it.
func startWatchdog(d *daemon) (stop func()) {
	w := watchdog{interval: watchdogInterval(), alive: d.alive, tell: notify, log: d.log}
	if w.interval <= 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { w.run(ctx) })
	return func() { cancel(); work.Wait() }
}

func (w *watchdog) run(ctx context.Context) {
	ticker := time.NewTicker(w.interval)
	defer ticker.Stop()
	well := true
	for {
		err := w.alive()
		if err != nil && well {
			w.log.Error("not well; systemd will start us again if this lasts", zap.Error(err))
		}
		well = err == nil
		if well {
			if err := w.tell(notifyWatchdog); err != nil {
				w.log.Warn("systemd was not told", zap.Error(err))
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// alive tells what is wrong that a new start may mend; nil if nothing is.
func (d *daemon) alive() error {
	d.relay.Metrics() // takes every lane's lock: it hangs where they do
	return mendable(d.queue.Err(), d.events.Flush)
}

// mendable returns the error of the queue's store or of writing the event log. A full disk is none: it passes when
// there is room, mail waits meanwhile, and a new start would only cut what is under way.
func mendable(queueErr error, flush func() error) error {
	if queueErr != nil {
		return queueErr
	}
	err := flush()
	for _, passing := range []error{syscall.ENOSPC, syscall.EDQUOT, relay.ErrEventLogClosed} { // the last: we are ending
		if errors.Is(err, passing) {
			return nil
		}
	}
	return err
}
