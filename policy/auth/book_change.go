package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/store"
)

// MaxOverlap bounds how long a secret stays good after its rotation.
const MaxOverlap = 90 * 24 * time.Hour

var errNoStore = errors.New("credentials cannot be changed without a store")

// Add makes a credential. secret may be "": one is generated. It returns the secret, which nothing
// can show again. ErrExists if the name is taken.
func (b *Book) Add(ctx context.Context, c Credential, secret string) (shown string, err error) {
	now := b.now().UTC().Truncate(time.Second)
	c.Created, c.Rotated, c.PreviousUntil, c.ReadOnly = now, now, time.Time{}, false
	c.Senders = slices.Clone(c.Senders)
	r := &record{Credential: c}
	if err := r.seal(); err != nil {
		return "", fmt.Errorf("credential %q: %w", message.CleanLine(c.Name, maxName), err)
	}
	key, _ := nameKey(c.Name)
	b.changing.Lock()
	defer b.changing.Unlock()
	switch _, old := b.find(key); {
	case old != nil:
		return "", fmt.Errorf("%q: %w", c.Name, ErrExists)
	case b.Len() >= MaxCredentials:
		return "", fmt.Errorf("there are %d credentials already, the most that are allowed", MaxCredentials)
	}
	if r.current, shown, err = b.makeSecret(ctx, secret, nil); err != nil {
		return "", fmt.Errorf("credential %q: %w", c.Name, err)
	}
	return shown, b.save(ctx, key, r)
}

// Change lets f change a credential: all but name, times and secrets. f gets a copy.
func (b *Book) Change(ctx context.Context, name string, f func(*Credential) error) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	key, old, err := b.changeable(name)
	if err != nil {
		return err
	}
	c := old.Credential
	c.Senders = slices.Clone(c.Senders)
	if err := f(&c); err != nil {
		return fmt.Errorf("credential %q: %w", old.Name, err)
	}
	c.Name, c.Created, c.Rotated, c.PreviousUntil, c.ReadOnly = old.Name, old.Created, old.Rotated, old.PreviousUntil, false
	r := &record{Credential: c, current: old.current, previous: old.previous}
	if err := r.seal(); err != nil {
		return fmt.Errorf("credential %q: %w", old.Name, err)
	}
	return b.save(ctx, key, r)
}

// Disable throws the kill switch, or with false takes it back.
func (b *Book) Disable(ctx context.Context, name string, disabled bool) error {
	return b.Change(ctx, name, func(c *Credential) error { c.Disabled = disabled; return nil })
}

// Rotate gives the credential a new secret, a generated one if secret is "", and returns it. The one
// before stays good for overlap, at most MaxOverlap; with 0 it ends now, and sessions that used it with it.
// One from an earlier rotation ends in any case.
func (b *Book) Rotate(ctx context.Context, name, secret string, overlap time.Duration) (shown string, err error) {
	if overlap < 0 || overlap > MaxOverlap {
		return "", fmt.Errorf("overlap %v is out of bounds (0 to %v)", overlap, MaxOverlap)
	}
	b.changing.Lock()
	defer b.changing.Unlock()
	key, old, err := b.changeable(name)
	if err != nil {
		return "", err
	}
	now := b.now().UTC()
	r := &record{Credential: old.Credential, senders: old.senders}
	r.Rotated, r.PreviousUntil = now.Truncate(time.Second), time.Time{}
	if overlap > 0 {
		r.previous, r.PreviousUntil = old.current, now.Add(overlap).Truncate(time.Second)
	}
	if r.current, shown, err = b.makeSecret(ctx, secret, r.previous); err != nil {
		return "", fmt.Errorf("credential %q: %w", old.Name, err)
	}
	return shown, b.save(ctx, key, r)
}

// Remove forgets a credential.
func (b *Book) Remove(ctx context.Context, name string) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	key, _, err := b.changeable(name)
	if err != nil {
		return err
	}
	return b.save(ctx, key, nil)
}

// changeable returns a credential that is ours to change.
func (b *Book) changeable(name string) (key string, r *record, err error) {
	if key, r, err = b.get(name); err == nil && r.ReadOnly {
		err = fmt.Errorf("%q: %w", r.Name, ErrReadOnly)
	}
	return key, r, err
}

// makeSecret hashes a chosen secret, or a generated one for "".
func (b *Book) makeSecret(ctx context.Context, chosen string, like *Secret) (s *Secret, shown string, err error) {
	if shown = chosen; chosen == "" {
		shown = GenerateSecret()
	}
	prepared, err := newSecret(shown)
	if err != nil {
		return nil, "", err
	}
	runErr := b.hasher.run(ctx, nil, func() { s, err = makeSecret(prepared, b.cost, like) })
	return s, shown, errors.Join(runErr, err)
}

// save writes a record, nil to remove, and publishes it when it is safe. Publishing first could let
// a credential work, or not work, that a crash brings back otherwise.
func (b *Book) save(ctx context.Context, key string, r *record) error {
	if b.store == nil {
		return errNoStore
	}
	change := store.Change{Table: store.Credentials, Key: []byte(recordPrefix + key)}
	if r != nil {
		value, err := r.encode()
		if err != nil {
			return fmt.Errorf("encoding a credential: %w", err)
		}
		change.Value = value
	}
	if err := b.store.Apply(ctx, true, change); err != nil {
		return fmt.Errorf("writing a credential: %w", err)
	}
	b.publish(key, r)
	return nil
}
