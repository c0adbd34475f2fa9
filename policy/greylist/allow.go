package greylist

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/posthaste-mta/posthaste/policy/store"
)

// Kind says what an operator allows.
type Kind byte

// The kinds; the value is part of the keys on disk.
const (
	Network   Kind = 'n' // a client's address or network
	Sender    Kind = 's' // an address, a domain, or ".example.com" for all domains below
	Recipient Kind = 'r' // as above
)

// String returns the name of the kind.
func (k Kind) String() string {
	switch k {
	case Network:
		return "network"
	case Sender:
		return "sender"
	case Recipient:
		return "recipient"
	default:
		return "unknown"
	}
}

// Allowance lets somebody pass, besides what the rules say.
type Allowance struct {
	Kind  Kind
	Name  string
	Until time.Time // zero means for good; kept to the second
}

// maxAllowed bounds the operator's allowances; they are all in memory.
const maxAllowed = 10_000

var (
	// ErrTooMany tells that there is no room for another allowance.
	ErrTooMany = fmt.Errorf("greylist: there are %d allowances already", maxAllowed)
	// ErrNotFound tells that there is no such allowance.
	ErrNotFound = errors.New("greylist: no such allowance")
)

// normal returns the allowance with its name as it is kept.
func (a Allowance) normal() (Allowance, error) {
	var err error
	switch a.Kind {
	case Network:
		var p netip.Prefix
		p, err = parseNetwork(a.Name)
		a.Name = p.String()
	case Sender, Recipient:
		a.Name, err = parseName(a.Name)
	default:
		err = fmt.Errorf("no such kind: %d", a.Kind)
	}
	if err == nil && !a.Until.IsZero() && a.Until.Unix() <= 0 {
		err = errors.New("a time before 1970")
	}
	return a, err
}

// parseNetwork reads an address or a prefix.
func parseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%.60q is neither an address nor a network such as 192.0.2.0/24", s)
	}
	return p.Masked(), nil
}

// loadAllowed reads the allowances that still hold.
func loadAllowed(s *store.Store, now time.Time) (*allowed, error) {
	a := &allowed{networks: networkSet{}, names: map[Kind]nameSet{Sender: {}, Recipient: {}}}
	for e, err := range s.Scan(store.GreylistAllow, nil) {
		if err != nil {
			return nil, err
		}
		one, err := readAllowance(e.Key, e.Value)
		if err != nil {
			return nil, err
		}
		if holds(one.Until, now) && a.count() < maxAllowed {
			if err := a.set(one); err != nil {
				return nil, err
			}
		}
	}
	return a, nil
}

func (a *Allowance) key() []byte { return append([]byte{byte(a.Kind)}, a.Name...) }

func (a *Allowance) value() []byte {
	if a.Until.IsZero() {
		return []byte{recordVersion, 0}
	}
	return binary.AppendUvarint([]byte{recordVersion}, uint64(a.Until.Unix()))
}

func readAllowance(key, value []byte) (Allowance, error) {
	if len(key) < 2 || len(value) < 2 || value[0] != recordVersion {
		return Allowance{}, fmt.Errorf("%w: allowance %q", errRecord, key)
	}
	a := Allowance{Kind: Kind(key[0]), Name: string(key[1:])}
	until, size := binary.Uvarint(value[1:])
	if size <= 0 || until > 1<<38 {
		return a, fmt.Errorf("%w: allowance %q", errRecord, key)
	}
	if until > 0 {
		a.Until = time.Unix(int64(until), 0).UTC()
	}
	_, err := a.normal()
	return a, err
}

// Allow lets a network, sender or recipient pass, or changes until when. It returns when that is on
// disk.
func (g *Greylist) Allow(ctx context.Context, a Allowance) error {
	a, err := a.normal()
	if err != nil {
		return fmt.Errorf("greylist: %w", err)
	}
	if !a.Until.IsZero() {
		a.Until = a.Until.UTC().Truncate(time.Second)
	}
	g.allowed.editing.Lock()
	defer g.allowed.editing.Unlock()
	if g.allowed.count() >= maxAllowed {
		return ErrTooMany
	}
	if err := g.store.Apply(ctx, true, store.Change{Table: store.GreylistAllow, Key: a.key(), Value: a.value()}); err != nil {
		return err
	}
	return g.allowed.set(a)
}

// Disallow takes an allowance back. It returns when that is on disk; ErrNotFound if there is none.
func (g *Greylist) Disallow(ctx context.Context, kind Kind, name string) error {
	a, err := Allowance{Kind: kind, Name: name}.normal()
	if err != nil {
		return fmt.Errorf("greylist: %w", err)
	}
	g.allowed.editing.Lock()
	defer g.allowed.editing.Unlock()
	if _, err := g.store.Get(store.GreylistAllow, a.key()); errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: %s %s", ErrNotFound, a.Kind, a.Name)
	} else if err != nil {
		return err
	}
	if err := g.store.Apply(ctx, true, store.Change{Table: store.GreylistAllow, Key: a.key()}); err != nil {
		return err
	}
	g.allowed.remove(a)
	return nil
}

// Allowances returns what an operator has allowed, by kind and name.
func (g *Greylist) Allowances() []Allowance { return g.allowed.all() }

// sweepAllowances removes those that hold no more.
func (g *Greylist) sweepAllowances(ctx context.Context, now time.Time) error {
	g.allowed.editing.Lock()
	defer g.allowed.editing.Unlock()
	for _, a := range g.allowed.all() {
		if holds(a.Until, now) {
			continue
		}
		if err := g.store.Apply(ctx, false, store.Change{Table: store.GreylistAllow, Key: a.key()}); err != nil {
			return err
		}
		g.allowed.remove(a)
	}
	return nil
}
