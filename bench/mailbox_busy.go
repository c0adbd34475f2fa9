package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// busyMailboxes is what goes on beside the load that is measured: mail comes for the mailboxes at a steady rate, and the
// programs that wait for it fetch it at once.
type busyMailboxes struct {
	watchers *watchers
	load     *Loader
	cancel   context.CancelFunc
	ended    chan error
}

const (
	busyRate = 50 // messages a second
	// busyFor is longer than any load is measured.
	busyFor = time.Hour
)

// beBusy begins it; nil if the scenario has none.
func (r *run) beBusy(ctx context.Context, relay *Running) (*busyMailboxes, error) {
	if !r.sc.BusyMailboxes {
		return nil, nil
	}
	boxes := r.sc.Inlet.Mailboxes
	w, err := watch(ctx, boxes, loopback(r.set.IMAPPort), true)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	b := &busyMailboxes{watchers: w, cancel: cancel, ended: make(chan error, 1)}
	b.load = NewLoader(Load{
		Messages: int(busyRate * busyFor.Seconds()), Sessions: 4, Rate: busyRate, Size: r.sc.Load.Size,
		Tagged: true, Domains: boxes.Users, FirstDomain: boxes.First,
	}, relay.Addr, NewOracle(1))
	go func() {
		_, err := b.load.Run(ctx)
		b.ended <- err
	}()
	pause(ctx, time.Second)
	return b, nil
}

// stop ends it, and tells if anything of it went wrong.
func (b *busyMailboxes) stop() error {
	if b == nil {
		return nil
	}
	b.cancel()
	err := <-b.ended
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	refused := b.load.refused.Load()
	if refused > 0 {
		err = errors.Join(err, fmt.Errorf("%d messages for mailboxes were refused", refused))
	}
	pause(context.Background(), lateness)
	if acked, seen := b.load.Acked(), b.watchers.total.Load(); seen < acked {
		err = errors.Join(err, fmt.Errorf("of %d messages for mailboxes %d were announced", acked, seen))
	}
	b.watchers.stop()
	return errors.Join(err, b.watchers.err)
}
