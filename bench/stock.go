package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/greylist"
	"github.com/posthaste-mta/posthaste/policy/store"
	"github.com/posthaste-mta/posthaste/policy/suppress"
)

// newBar makes a progress bar for so many steps.
type newBar func(what string, total int64) bar

// fillStore puts into the policy store of a relay that does not run what the relay shall know. All goes the way that
// it goes in production: the list through the import, the triplets by being seen twice.
func fillStore(ctx context.Context, dataDir string, stock Stock, l Load, bars newBar) (err error) {
	kept, err := store.Open(store.Options{Dir: filepath.Join(dataDir, "policy")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	if err := importSuppressed(ctx, kept, stock.Suppressed, bars); err != nil {
		return err
	}
	return learnTriplets(ctx, kept, stock.Triplets, l, bars)
}

// importSuppressed imports a list of addresses, one a line.
func importSuppressed(ctx context.Context, kept *store.Store, n int, bars newBar) (err error) {
	list, err := suppress.Open(ctx, suppress.Options{Store: kept})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, list.Close()) }()
	bar := bars("suppressed addresses", int64(n))
	defer bar.done()
	r, w := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		w.CloseWithError(writeSuppressed(w, n, bar.set))
	}()
	_, err = list.Import(ctx, r, suppress.CSV, "")
	r.Close()
	<-written
	return err
}

func writeSuppressed(to io.Writer, n int, progress func(int64)) error {
	w := bufio.NewWriterSize(to, 64<<10)
	for i := range n {
		if _, err := fmt.Fprintf(w, "gone%d@d%d.bench.test\n", i, i%1000); err != nil {
			return err
		}
		if i%1000 == 0 {
			progress(int64(i))
		}
	}
	return w.Flush()
}

const (
	firstSeen = time.Hour // before the load
	seenAgain = 20 * time.Minute
	learners  = 8
)

// learnTriplets lets the greylist see mail from each of the load's networks an hour ago, and once more later: that of
// the load, and more until there are so many triplets.
func learnTriplets(ctx context.Context, kept *store.Store, triplets int, l Load, bars newBar) error {
	networks := max(1, (l.Clients+perNetwork-1)/perNetwork)
	each := max(l.Messages, (triplets+networks-1)/networks)
	if triplets == 0 {
		return nil
	}
	total := int64(networks * each)
	bar := bars("triplets", 2*total)
	defer bar.done()
	for pass, ago := range []time.Duration{firstSeen, seenAgain} {
		then := time.Now().Add(-ago)
		g, err := greylist.Open(ctx, greylist.Options{
			Store: kept, Rules: greylist.Rules{KnownAfter: -1}, Now: func() time.Time { return then },
		})
		if err != nil {
			return err
		}
		err = seeAll(ctx, g, networks, each, l, func(n int64) { bar.set(int64(pass)*total + n) })
		if err = errors.Join(err, g.Close()); err != nil {
			return err
		}
	}
	return nil
}

// seeAll shows the greylist each message from each network.
func seeAll(ctx context.Context, g *greylist.Greylist, networks, each int, l Load, progress func(int64)) error {
	group, ctx := errgroup.WithContext(ctx)
	var done atomic.Int64
	for w := range learners {
		group.Go(func() error {
			for i := w; i < networks*each; i += learners {
				n := l.First + uint64(i/networks)
				to, err := message.ParseAddress(string(appendRecipient(nil, n, 0, l.domain(n, 0))), false)
				if err != nil {
					return err
				}
				_, err = g.Check(ctx, greylist.Attempt{
					Client: netip.MustParseAddr(clientAddr(i % networks * perNetwork)),
					Sender: string(appendSender(nil, n, l.Senders)), Recipient: to,
				})
				if err != nil {
					return err
				}
				progress(done.Add(1))
			}
			return nil
		})
	}
	return group.Wait()
}
