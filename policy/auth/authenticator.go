package auth

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// The mechanisms, by their names in SASL.
const (
	ScramSHA256Plus = "SCRAM-SHA-256-PLUS" // RFC 7677, RFC 9266
	ScramSHA256     = "SCRAM-SHA-256"      // RFC 7677
	Plain           = "PLAIN"              // RFC 4616
	Login           = "LOGIN"              // draft-murchison-sasl-login
)

// DefaultMechanisms are all there are, the strongest first.
func DefaultMechanisms() []string { return []string{ScramSHA256Plus, ScramSHA256, Plain, Login} }

// Authenticator checks logins. Safe for concurrent use.
type Authenticator struct {
	book       *Book
	guard      *Guard
	cache      *cache
	mechanisms []string
	counts     counts
	// scramNonce makes the server's part of the nonce; nil but in tests: 130 random bits.
	scramNonce func() string
}

// New returns an Authenticator that offers these mechanisms, in this order; nil for all. Names that
// are not one of the constants are left out.
func New(book *Book, guard *Guard, mechanisms []string) *Authenticator {
	if mechanisms == nil {
		mechanisms = DefaultMechanisms()
	}
	return &Authenticator{book: book, guard: guard, cache: newCache(book.now), mechanisms: slices.Clone(mechanisms)}
}

// Client is who wants to log in.
type Client struct {
	Addr netip.Addr // invalid for a local socket
	// TLS is the connection's state; nil in the clear. Whether a login may go in the clear is not
	// decided here.
	TLS *tls.ConnectionState
}

// Mechanisms returns what to offer on a connection: -PLUS only where its TLS can be bound to.
func (a *Authenticator) Mechanisms(state *tls.ConnectionState) []string {
	offered := make([]string, 0, len(a.mechanisms))
	for _, m := range a.mechanisms {
		switch m {
		case ScramSHA256Plus:
			if len(bindings(state)) > 0 {
				offered = append(offered, m)
			}
		case ScramSHA256, Plain, Login:
			offered = append(offered, m)
		}
	}
	return offered
}

// Begin starts the exchange of an AUTH command. mechanism is in upper case. The error is ErrMechanism or
// 421 4.7.0 for a banned address; it comes before any work. ctx bounds the whole exchange with its delays:
// that of the process or the session, not of one command.
func (a *Authenticator) Begin(ctx context.Context, mechanism string, c Client) (*Exchange, error) {
	if !slices.Contains(a.Mechanisms(c.TLS), mechanism) {
		return nil, ErrMechanism
	}
	if err := a.guard.Address(c.Addr); err != nil {
		a.counts.banned.Add(1)
		return nil, err
	}
	x := &Exchange{auth: a, ctx: ctx, client: c, mechanism: mechanism}
	switch mechanism {
	case Plain:
		x.step = x.plain
	case Login:
		x.step = x.loginName
	default:
		x.step = x.scramFirst
	}
	return x, nil
}

// password checks a name with its secret. Work, delay and answer are the same whatever is wrong.
func (a *Authenticator) password(ctx context.Context, addr netip.Addr, name, secret string) (*Live, error) {
	counted := guardName(name)
	admit := func() error { return a.guard.Admit(addr, counted) }
	if err := admit(); err != nil {
		a.counts.banned.Add(1)
		return nil, err
	}
	var e *entry
	var r *record
	var gen uint64
	key, fit := nameKey(name)
	if fit {
		e, r = a.book.find(key)
	}
	if r != nil {
		gen = r.gen
	}
	prepared, fit := preparedSecret(secret)
	if !fit {
		prepared, r = secret, nil // is none that could have been set; hashed all the same
	}
	t := a.cache.tag(gen, name, prepared)
	id, good, known := a.cache.get(t)
	if known {
		a.counts.cached.Add(1)
	} else {
		var derived []byte
		hash := a.hashToTry(r, key)
		if err := a.book.hasher.run(ctx, admit, func() { derived = hash.derive(prepared) }); err != nil {
			if errors.Is(err, ErrBusy) {
				a.counts.busy.Add(1)
			} else {
				a.counts.banned.Add(1)
			}
			return nil, err
		}
		id, good = r.match(derived)
		a.remember(t, id, good)
	}
	if good && r.good(id, a.book.now()) {
		return a.succeed(e, id, addr, counted), nil
	}
	return nil, a.fail(ctx, addr, counted, binary.BigEndian.Uint64(t[:8]))
}

func (a *Authenticator) remember(t tag, id secretID, good bool) {
	if good {
		a.cache.putGood(t, id)
	} else {
		a.cache.putBad(t)
	}
}

// hashToTry returns the hash whose salt and cost to use: of a name that is not there, one like the others.
func (a *Authenticator) hashToTry(r *record, key string) *argonHash {
	if r != nil {
		return &r.current.argon
	}
	c := a.book.cost
	return &argonHash{passes: c.passes, kib: c.kib, lanes: c.lanes, salt: hmacOf(a.book.fake, "argon2", key)[:saltSize]}
}

// match tells which of the secrets the derived key is that of. The hash of the one before has the
// salt and cost of the present one.
func (r *record) match(derived []byte) (id secretID, ok bool) {
	switch {
	case r == nil:
		return secretID{}, false
	case r.current.argon.matches(derived):
		return r.current.id, true
	case r.previous != nil && r.previous.argon.matches(derived):
		return r.previous.id, true
	}
	return secretID{}, false
}

func (a *Authenticator) succeed(e *entry, id secretID, addr netip.Addr, counted string) *Live {
	a.counts.succeeded.Add(1)
	a.guard.Succeeded(addr, counted)
	return &Live{entry: e, secret: id, now: a.book.now}
}

// fail counts a failure, waits, and returns ErrFailed.
func (a *Authenticator) fail(ctx context.Context, addr netip.Addr, counted string, guess uint64) error {
	a.counts.failed.Add(1)
	timer := time.NewTimer(a.guard.Failed(addr, counted, guess))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ErrFailed
}

type counts struct{ succeeded, failed, banned, busy, cached atomic.Uint64 }

// Metrics are counts since the start.
type Metrics struct {
	// Succeeded, Failed, Banned and Busy logins; Banned and Busy ones were not checked.
	Succeeded, Failed, Banned, Busy uint64
	// Cached are those whose outcome was remembered: they cost no argon2.
	Cached uint64
	// BannedAddresses and BannedNames are kept out at present.
	BannedAddresses, BannedNames int
}

// Metrics returns the counts.
func (a *Authenticator) Metrics() Metrics {
	c := &a.counts
	m := Metrics{Succeeded: c.succeeded.Load(), Failed: c.failed.Load(), Banned: c.banned.Load(),
		Busy: c.busy.Load(), Cached: c.cached.Load()}
	m.BannedAddresses, m.BannedNames = a.guard.Banned()
	return m
}

// SetExempt replaces the networks whose addresses are delayed but not banned.
func (a *Authenticator) SetExempt(networks []netip.Prefix) { a.guard.SetExempt(networks) }
