package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/relay"
)

// systemd hears of us at each interval while all is well, and again when it is well again.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wrong atomic.Bool
		var hang, heard atomic.Int64
		w := watchdog{
			interval: 30 * time.Second, log: zap.NewNop(),
			alive: func() error {
				time.Sleep(time.Duration(hang.Load()))
				if wrong.Load() {
					return errors.New("a lock is held for good")
				}
				return nil
			},
			tell: func(state ...string) error {
				if len(state) != 1 || state[0] != notifyWatchdog {
					t.Errorf("told %q", state)
				}
				heard.Add(1)
				return errors.New("systemd is away")
			},
		}
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.run(ctx); close(ended) }()
		during := func(d time.Duration, want int64) {
			t.Helper()
			heard.Store(0)
			time.Sleep(d)
			synctest.Wait()
			if heard.Load() != want {
				t.Errorf("heard %d times in %v, want %d", heard.Load(), d, want)
			}
		}
		during(time.Second, 1) // at once
		during(5*time.Minute, 10)
		wrong.Store(true)
		during(5*time.Minute, 0)
		wrong.Store(false)
		during(time.Minute, 2)
		hang.Store(int64(time.Hour))
		during(5*time.Minute, 0)
		end()
		<-ended
	})
}

func TestMendable(t *testing.T) {
	broken := errors.New("the store has failed")
	tests := []struct {
		queue, events, want error
	}{
		{nil, nil, nil},
		{broken, nil, broken},
		{nil, syscall.EIO, syscall.EIO},
		{nil, fmt.Errorf("event log: write: %w", syscall.ENOSPC), nil},
		{broken, syscall.ENOSPC, broken},
		{nil, relay.ErrEventLogClosed, nil}, // we are just ending
	}
	for _, test := range tests {
		if got := mendable(test.queue, func() error { return test.events }); !errors.Is(got, test.want) || got != nil && test.want == nil {
			t.Errorf("queue %v, events %v: %v, want %v", test.queue, test.events, got, test.want)
		}
	}
}
