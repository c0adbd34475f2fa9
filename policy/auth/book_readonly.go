package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/posthaste-mta/posthaste/message"
)

// ReadOnly is a credential from the configuration or a credential file, with its secret in the clear
// or as the hashes that Secret.Hashes gives.
type ReadOnly struct {
	Credential
	Secret              string
	Argon2, SCRAMSHA256 string
}

// Check tells what is wrong with the credential or its secret. It costs no argon2.
func (c *ReadOnly) Check() error {
	r := &record{Credential: c.Credential}
	if err := r.seal(); err != nil {
		return err
	}
	return c.checkSecret()
}

func (c *ReadOnly) checkSecret() (err error) {
	switch {
	case (c.Secret == "") == (c.Argon2 == "") || c.Secret != "" && c.SCRAMSHA256 != "":
		return errors.New("give either the secret or its hashes")
	case c.Secret != "":
		_, err = newSecret(c.Secret)
	default:
		_, err = ParseSecret(c.Argon2, c.SCRAMSHA256)
	}
	return err
}

// SetReadOnly makes these the read-only credentials, in place of those before: all or, with an error
// that names the credential, none. Sessions of those that stay as they were go on. A secret in the
// clear that is new costs one argon2.
func (b *Book) SetReadOnly(ctx context.Context, list []ReadOnly) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	records := make(map[string]*record, len(list))
	marks := make(map[string]string, len(list))
	for i := range list {
		r := &record{Credential: list[i].Credential}
		r.ReadOnly, r.Senders = true, slices.Clone(r.Senders)
		err := r.seal()
		key, _ := nameKey(r.Name)
		_, old := b.find(key)
		switch {
		case err != nil:
		case records[key] != nil:
			err = errors.New("named twice in the configuration")
		case old != nil && !old.ReadOnly:
			err = fmt.Errorf("%w, with the command line; remove one of the two", ErrExists)
		default:
			r.current, marks[key], err = b.readOnlySecret(ctx, key, old, &list[i])
		}
		if err != nil {
			return fmt.Errorf("credential %q: %w", message.CleanLine(r.Name, maxName), err)
		}
		records[key] = r
	}
	return b.replaceReadOnly(records, marks)
}

// readOnlySecret returns the secret, the old one if it is the same, and the mark to know it by.
func (b *Book) readOnlySecret(ctx context.Context, key string, old *record, c *ReadOnly) (s *Secret, mark string, err error) {
	if err := c.checkSecret(); err != nil {
		return nil, "", err
	}
	if c.Secret == "" {
		s, err = ParseSecret(c.Argon2, c.SCRAMSHA256)
		return s, "", err
	}
	mark = string(hmacOf(b.plainKey, c.Secret))
	if old != nil && b.marks[key] == mark {
		return old.current, mark, nil
	}
	s, _, err = b.makeSecret(ctx, c.Secret, nil)
	return s, mark, err
}

func (b *Book) replaceReadOnly(records map[string]*record, marks map[string]string) error {
	var gone []string
	others := 0
	b.mu.RLock()
	for key, e := range b.entries {
		switch {
		case !e.rec.Load().ReadOnly:
			others++
		case records[key] == nil:
			gone = append(gone, key)
		}
	}
	b.mu.RUnlock()
	if others+len(records) > MaxCredentials {
		return fmt.Errorf("more than %d credentials", MaxCredentials)
	}
	for _, key := range gone {
		b.publish(key, nil)
	}
	for key, r := range records {
		b.publish(key, r)
	}
	b.marks = marks
	return nil
}
