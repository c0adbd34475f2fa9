// Package greylist makes unknown clients try again. A client network that has not been seen with this
// sender and recipient is told to come back in some minutes: mail servers do, most senders of spam do
// not. Who has come back is remembered, over restarts too, and a network that has done so a few times
// is not asked again.
package greylist

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/store"
)

// Options say where things are kept and how many of them.
type Options struct {
	Store *store.Store
	// Rules may be changed later, see SetRules; the zero value means DefaultRules.
	Rules Rules
	// MaxTriplets and MaxClients bound what is kept on disk; 0 means 1,000,000 and 100,000. When
	// there are more, those go first that have expired or never came back.
	MaxTriplets, MaxClients int64
	// CacheEntries bounds what is kept in memory, about 50 bytes each; 0 means 262,144.
	CacheEntries int
	// SweepInterval is how often what has expired is removed; 0 means hourly.
	SweepInterval time.Duration
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Log hears of trouble in the background; nil means silence.
	Log *zap.Logger
}

// Greylist decides, and remembers. It is safe for concurrent use.
type Greylist struct {
	rules    atomic.Pointer[compiled]
	triplets *book
	clients  *book
	allowed  *allowed
	store    *store.Store
	now      func() time.Time
	log      *zap.Logger

	// changing is held for reading while one record is read and written, under one of the locks, and
	// for writing by those who remove records.
	changing sync.RWMutex
	locks    [lockCount]sync.Mutex // by triplet; by client for counting

	stop  context.CancelFunc
	ended sync.WaitGroup

	decisions [NumReasons]atomic.Int64
	expired   atomic.Int64
}

// Open opens the list. Records that have been there are counted, a third of a second for a million, and those of who has
// passed taken into memory, as many as fit.
func Open(ctx context.Context, o Options) (*Greylist, error) {
	o.defaults()
	g := &Greylist{store: o.Store, now: o.Now, log: o.Log}
	if err := g.SetRules(o.Rules); err != nil {
		return nil, err
	}
	g.triplets = newBook(o.Store, store.Triplets, &g.locks, o.MaxTriplets, o.CacheEntries*3/4, g.tripletGone)
	g.clients = newBook(o.Store, store.Clients, &g.locks, o.MaxClients, o.CacheEntries/4, g.clientGone)
	var err error
	if g.allowed, err = loadAllowed(o.Store, g.now()); err != nil {
		return nil, fmt.Errorf("greylist: %w", err)
	}
	for _, b := range []*book{g.triplets, g.clients} {
		if err := b.load(ctx); err != nil {
			return nil, fmt.Errorf("greylist: %w", err)
		}
		if err := b.warm(ctx, g.now()); err != nil {
			return nil, fmt.Errorf("greylist: %w", err)
		}
	}
	background, stop := context.WithCancel(context.Background())
	g.stop = stop
	g.ended.Go(func() { g.maintain(background, o.SweepInterval) })
	return g, nil
}

func (o *Options) defaults() {
	if o.MaxTriplets <= 0 {
		o.MaxTriplets = 1_000_000
	}
	if o.MaxClients <= 0 {
		o.MaxClients = 100_000
	}
	if o.CacheEntries <= 0 {
		o.CacheEntries = 262_144
	}
	if o.SweepInterval <= 0 {
		o.SweepInterval = time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
}

// Close ends the work in the background. The store stays open.
func (g *Greylist) Close() error {
	g.stop()
	g.ended.Wait()
	return nil
}

// Attempt is what a client asks for with RCPT.
type Attempt struct {
	Client    netip.Addr
	Sender    string // the reverse-path without angle brackets; "" is the null sender
	Recipient message.Address
	// SPFPass tells that the sender's domain names the client as its own, and that this shall be
	// enough.
	SPFPass bool
}

// Check decides on an attempt and remembers it. It does not wait for the disk: a crash forgets at
// most the last second, and some client has to come back once more. After an error the mail is let
// pass, as the decision says: greylisting is a comfort, not a safeguard.
func (g *Greylist) Check(ctx context.Context, a Attempt) (Decision, error) {
	d, err := g.decide(ctx, &a)
	if err != nil {
		d, err = Decision{Pass: true, Reason: Failed}, fmt.Errorf("greylist: %w", err)
	}
	g.decisions[d.Reason].Add(1)
	return d, err
}

func (g *Greylist) decide(ctx context.Context, a *Attempt) (Decision, error) {
	r, now := g.rules.Load(), g.now()
	network := networkOf(a.Client)
	if reason, ok := g.exempt(r, a, now); ok {
		return Decision{Pass: true, Reason: reason}, nil
	}
	clientKey := keyOf(network.String())
	if known, err := g.knownClient(ctx, r, clientKey, network, now); known || err != nil {
		return Decision{Pass: true, Reason: KnownClient}, err
	}
	d, err := g.checkTriplet(ctx, r, newTriplet(network, a), now)
	if err == nil && d.Reason == CameBack {
		err = g.credit(ctx, clientKey, network, now)
	}
	return d, err
}

// exempt tells whether the attempt passes without a look at what is remembered.
func (g *Greylist) exempt(r *compiled, a *Attempt, now time.Time) (Reason, bool) {
	sender := fold(a.Sender)
	recipient := fold(a.Recipient.String())
	switch {
	case !a.Client.IsValid(), r.networks.has(a.Client, now), g.allowed.network(a.Client, now):
		return AllowedClient, true
	case r.senders.has(sender, now), g.allowed.sender(sender, now):
		return AllowedSender, true
	case r.recipients.has(recipient, now), g.allowed.recipient(recipient, now):
		return AllowedRecipient, true
	case a.SPFPass:
		return SPF, true
	default:
		return 0, false
	}
}

// checkTriplet decides by what is known of the triplet.
func (g *Greylist) checkTriplet(ctx context.Context, r *compiled, t triplet, now time.Time) (Decision, error) {
	key := t.key()
	g.changing.RLock()
	defer g.changing.RUnlock()
	mu := lockOf(&g.locks, key)
	mu.Lock()
	defer mu.Unlock()
	rec, ok, err := g.triplets.get(key)
	if err != nil {
		return Decision{}, err
	}
	rec, d, changed := r.next(rec, ok, now)
	if !changed {
		return d, nil
	}
	rec.names = t.names()
	return d, g.triplets.put(ctx, key, rec, !ok)
}

// knownClient tells whether the network has come back often enough to be trusted.
func (g *Greylist) knownClient(ctx context.Context, r *compiled, key key, network netip.Prefix, now time.Time) (bool, error) {
	if r.KnownAfter < 0 {
		return false, nil
	}
	rec, ok, err := g.clients.get(key)
	if err != nil || !ok || int(rec.passes) < r.KnownAfter || r.clientGone(&rec, now) {
		return false, err
	}
	if now.Sub(rec.last) >= touchAfter {
		return true, g.touchClient(ctx, key, network, now, 0)
	}
	return true, nil
}

// credit counts that a triplet of the network has come back.
func (g *Greylist) credit(ctx context.Context, key key, network netip.Prefix, now time.Time) error {
	return g.touchClient(ctx, key, network, now, 1)
}

func (g *Greylist) touchClient(ctx context.Context, key key, network netip.Prefix, now time.Time, passes uint32) error {
	g.changing.RLock()
	defer g.changing.RUnlock()
	mu := lockOf(&g.locks, key)
	mu.Lock()
	defer mu.Unlock()
	rec, ok, err := g.clients.get(key)
	if err != nil {
		return err
	}
	if !ok || g.rules.Load().clientGone(&rec, now) {
		rec = record{first: now}
	}
	rec.last, rec.names = now, []string{network.String()}
	rec.passes = min(rec.passes+passes, maxPasses)
	return g.clients.put(ctx, key, rec, !ok)
}
