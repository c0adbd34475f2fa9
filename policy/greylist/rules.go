package greylist

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Rules say how long clients wait and who need not.
type Rules struct {
	// Delay is how long a new triplet waits.
	Delay time.Duration
	// RetryWindow is how long after the first attempt the client may come back; later it is new.
	RetryWindow time.Duration
	// Lifetime is how long a triplet or network that has come back is remembered after its last mail.
	Lifetime time.Duration
	// KnownAfter is how many triplets of a network must come back for all its mail to pass; negative
	// means never, and 0 is the default.
	KnownAfter int
	// Networks, Senders and Recipients need not wait. Senders and recipients are addresses, domains,
	// or ".example.com" for all domains below.
	Networks            []netip.Prefix
	Senders, Recipients []string
}

// DefaultRules fit most: five minutes, within two days, for five weeks, five passes.
func DefaultRules() Rules {
	return Rules{Delay: 5 * time.Minute, RetryWindow: 48 * time.Hour, Lifetime: 35 * 24 * time.Hour, KnownAfter: 5}
}

const (
	// touchAfter is how coarse the time of the last mail is: a record is not written for each.
	touchAfter = time.Hour
	maxPasses  = 1 << 20
	maxDelay   = 24 * time.Hour
)

// compiled is Rules in the form that is asked.
type compiled struct {
	Rules
	networks            networkSet
	senders, recipients nameSet
}

// SetRules changes the rules from now on. What is remembered stays. After an error the old ones hold.
func (g *Greylist) SetRules(r Rules) error {
	c, err := r.compile()
	if err != nil {
		return fmt.Errorf("greylist: %w", err)
	}
	g.rules.Store(c)
	return nil
}

func (r Rules) compile() (*compiled, error) {
	d := DefaultRules()
	if r.Delay == 0 {
		r.Delay = d.Delay
	}
	if r.RetryWindow == 0 {
		r.RetryWindow = max(d.RetryWindow, 2*r.Delay)
	}
	if r.Lifetime == 0 {
		r.Lifetime = d.Lifetime
	}
	if r.KnownAfter == 0 {
		r.KnownAfter = d.KnownAfter
	}
	switch {
	case r.Delay < time.Second || r.Delay > maxDelay:
		return nil, fmt.Errorf("a delay of %v; %v to %v make sense", r.Delay, time.Second, maxDelay)
	case r.RetryWindow <= r.Delay:
		return nil, fmt.Errorf("a retry window of %v, within the delay of %v: nobody would pass", r.RetryWindow, r.Delay)
	case r.Lifetime < 2*touchAfter:
		return nil, fmt.Errorf("a lifetime of %v; at least %v", r.Lifetime, 2*touchAfter)
	}
	c := &compiled{Rules: r, networks: networkSet{}, senders: nameSet{}, recipients: nameSet{}}
	var errs []error
	for _, n := range r.Networks {
		errs = append(errs, c.networks.add(n, time.Time{}))
	}
	for _, s := range r.Senders {
		errs = append(errs, c.senders.add(s, time.Time{}))
	}
	for _, s := range r.Recipients {
		errs = append(errs, c.recipients.add(s, time.Time{}))
	}
	return c, errors.Join(errs...)
}

// next is the whole of greylisting: the record that follows on an attempt, and what to answer. ok
// tells whether there is a record; changed that it must be kept.
func (r *compiled) next(rec record, ok bool, now time.Time) (next record, d Decision, changed bool) {
	switch {
	case !ok, r.tripletGone(&rec, now), now.Before(rec.first) && rec.passes == 0: // a clock set back
		return record{first: now, last: now}, Decision{Wait: r.Delay, Reason: New}, true
	case rec.passes == 0 && now.Sub(rec.first) < r.Delay:
		return rec, Decision{Wait: r.Delay - now.Sub(rec.first), Reason: TooEarly}, false
	case rec.passes == 0:
		rec.passes, rec.last = 1, now
		return rec, Decision{Pass: true, Reason: CameBack}, true
	case now.Sub(rec.last) >= touchAfter:
		rec.last = now
		rec.passes = min(rec.passes+1, maxPasses)
		return rec, Decision{Pass: true, Reason: KnownTriplet}, true
	default:
		return rec, Decision{Pass: true, Reason: KnownTriplet}, false
	}
}

// tripletGone tells whether a triplet is to be forgotten.
func (r *compiled) tripletGone(rec *record, now time.Time) bool {
	if rec.passes == 0 {
		return now.Sub(rec.first) >= r.RetryWindow
	}
	return now.Sub(rec.last) >= r.Lifetime
}

func (r *compiled) clientGone(rec *record, now time.Time) bool {
	return now.Sub(rec.last) >= r.Lifetime
}

func (g *Greylist) tripletGone(rec *record, now time.Time) bool {
	return g.rules.Load().tripletGone(rec, now)
}

func (g *Greylist) clientGone(rec *record, now time.Time) bool {
	return g.rules.Load().clientGone(rec, now)
}
