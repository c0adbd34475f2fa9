package greylist

import (
	"context"
	"iter"
	"net/netip"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/policy/store"
)

// Triplet is what is remembered of mail from a network, as operators see it.
type Triplet struct {
	Network   netip.Prefix
	Sender    string // without what changes from message to message
	Recipient string
	First     time.Time // the first attempt
	Last      time.Time // the last mail, to the hour
	// Passed tells that the client has come back. If not, ReadyAt is when it would pass.
	Passed  bool
	ReadyAt time.Time
	// Until is when it is forgotten if nothing happens.
	Until time.Time
}

// Client is a network that has come back.
type Client struct {
	Network netip.Prefix
	Passes  int  // triplets that have come back
	Known   bool // often enough: all its mail passes
	Last    time.Time
	Until   time.Time
}

// Filter says which records are meant; the zero value means all. Fields that are set must all fit.
type Filter struct {
	// Network holds the record's network or is held by it.
	Network netip.Prefix
	// Sender and Recipient are parts of the address.
	Sender, Recipient string
	// Waiting leaves out triplets that have come back.
	Waiting bool
}

func (f *Filter) fits(r *record) bool {
	network, err := netip.ParsePrefix(r.name(0))
	return err == nil &&
		(!f.Network.IsValid() || f.Network.Overlaps(network)) &&
		strings.Contains(r.name(1), strings.ToLower(f.Sender)) &&
		strings.Contains(r.name(2), strings.ToLower(f.Recipient)) &&
		(!f.Waiting || r.passes == 0)
}

// Triplets goes through the triplets that are still of account, in no order. The last pair has the
// error, if there is one.
func (g *Greylist) Triplets(f Filter) iter.Seq2[Triplet, error] {
	return func(yield func(Triplet, error) bool) {
		rules := g.rules.Load()
		for r, err := range g.triplets.all(g.now()) {
			if err == nil && !f.fits(&r) {
				continue
			}
			t := Triplet{Sender: r.name(1), Recipient: r.name(2), First: r.first, Last: r.last,
				Passed: r.passes > 0, Until: r.last.Add(rules.Lifetime)}
			t.Network, _ = netip.ParsePrefix(r.name(0))
			if !t.Passed {
				t.ReadyAt, t.Until = r.first.Add(rules.Delay), r.first.Add(rules.RetryWindow)
			}
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}

// Clients goes through the networks that have come back. Of the filter only Network counts.
func (g *Greylist) Clients(f Filter) iter.Seq2[Client, error] {
	return func(yield func(Client, error) bool) {
		rules := g.rules.Load()
		only := Filter{Network: f.Network}
		for r, err := range g.clients.all(g.now()) {
			if err == nil && !only.fits(&r) {
				continue
			}
			c := Client{Passes: int(r.passes), Last: r.last, Until: r.last.Add(rules.Lifetime),
				Known: rules.KnownAfter >= 0 && int(r.passes) >= rules.KnownAfter}
			c.Network, _ = netip.ParsePrefix(r.name(0))
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// all goes through the records that have not expired; damaged ones are left out.
func (b *book) all(now time.Time) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		for e, err := range b.store.Scan(b.table, nil) {
			if err != nil {
				yield(record{}, err)
				return
			}
			r, err := readRecord(e.Value)
			if err != nil || b.gone(&r, now) {
				continue
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Forget removes the triplets that fit, and the clients too if the filter names no sender and no
// recipient. It tells how many of both, and returns when that is on disk.
func (g *Greylist) Forget(ctx context.Context, f Filter) (triplets, clients int64, err error) {
	fits := func(r *record) bool { return f.fits(r) }
	if triplets, err = g.removeIf(ctx, g.triplets, fits); err != nil {
		return triplets, 0, err
	}
	if f.Sender == "" && f.Recipient == "" && !f.Waiting {
		if clients, err = g.removeIf(ctx, g.clients, fits); err != nil {
			return triplets, clients, err
		}
	}
	return triplets, clients, g.store.Apply(ctx, true)
}

const removeChunk = 256

// removeIf removes the records of which want is true, and those that cannot be read.
func (g *Greylist) removeIf(ctx context.Context, b *book, want func(*record) bool) (removed int64, err error) {
	var keys []key
	flush := func() error {
		n, err := g.removeChunk(ctx, b, keys, want)
		removed += n
		keys = keys[:0]
		return err
	}
	for e, err := range b.store.Scan(b.table, nil) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return removed, err
		}
		if len(e.Key) != len(key{}) || !wanted(e.Value, want) {
			continue
		}
		if keys = append(keys, key(e.Key)); len(keys) == removeChunk {
			if err := flush(); err != nil {
				return removed, err
			}
		}
	}
	return removed, flush()
}

func wanted(value []byte, want func(*record) bool) bool {
	r, err := readRecord(value)
	return err != nil || want(&r)
}

// removeChunk looks again before it removes: a client may have come back meanwhile.
func (g *Greylist) removeChunk(ctx context.Context, b *book, keys []key, want func(*record) bool) (int64, error) {
	g.changing.Lock()
	defer g.changing.Unlock()
	var changes []store.Change
	for _, k := range keys {
		if value, err := b.store.Get(b.table, k[:]); err == nil && wanted(value, want) {
			changes = append(changes, store.Change{Table: b.table, Key: k[:]})
		}
	}
	if len(changes) == 0 {
		return 0, nil
	}
	if err := b.store.Apply(ctx, false, changes...); err != nil {
		return 0, err
	}
	for _, c := range changes {
		b.cache.Remove(key(c.Key))
	}
	b.count.Add(-int64(len(changes)))
	return int64(len(changes)), nil
}
