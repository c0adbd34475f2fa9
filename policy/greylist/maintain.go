package greylist

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// maintain is the goroutine in the background: it removes what has expired.
func (g *Greylist) maintain(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := g.sweep(ctx); err != nil && ctx.Err() == nil {
				g.log.Warn("greylist: removing what has expired", zap.Error(err))
			}
		}
	}
}

func (g *Greylist) sweep(ctx context.Context) error {
	now := g.now()
	for _, b := range []*book{g.triplets, g.clients} {
		n, err := g.removeIf(ctx, b, func(r *record) bool { return b.gone(r, now) })
		g.expired.Add(n)
		if err != nil {
			return err
		}
		if err := b.load(ctx); err != nil {
			return err
		}
	}
	return g.sweepAllowances(ctx, now)
}

// Metrics are figures since Open, but for Triplets, Clients and Allowances, which are as of now.
type Metrics struct {
	// Decisions are by Reason.
	Decisions [NumReasons]int64
	Triplets  int64 // on disk
	Clients   int64 // networks that have come back, on disk
	Allowed   int64 // allowances of operators
	Expired   int64 // records removed because their time was over
	Evicted   int64 // records removed because there were too many
	// CacheHits and CacheMisses tell whether records were found in memory.
	CacheHits, CacheMisses int64
}

// Metrics returns the figures.
func (g *Greylist) Metrics() Metrics {
	m := Metrics{Triplets: g.triplets.count.Load(), Clients: g.clients.count.Load(), Expired: g.expired.Load(),
		Evicted: g.triplets.evicted.Load() + g.clients.evicted.Load(), Allowed: int64(g.allowed.count())}
	for i := range m.Decisions {
		m.Decisions[i] = g.decisions[i].Load()
	}
	for _, b := range []*book{g.triplets, g.clients} {
		m.CacheHits += b.cache.hits.Load()
		m.CacheMisses += b.cache.misses.Load()
	}
	return m
}
