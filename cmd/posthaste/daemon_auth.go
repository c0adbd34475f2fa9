package main

import (
	"context"
	"fmt"

	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/relay"
)

// openBook reads the credentials, those of the store and of the configuration, and these.
func (d *daemon) openBook(more []auth.ReadOnly) (err error) {
	ctx := context.Background()
	if d.book, err = auth.OpenBook(ctx, d.store, nil); err != nil {
		return err
	}
	list, err := credentialsOf(d.cfg)
	if err != nil {
		return err
	}
	if err := d.book.SetReadOnly(ctx, append(list, more...)); err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	// Our own networks are not banned: a program there with an old secret must not shut out all the others.
	guard := auth.NewGuard(auth.GuardOptions{Exempt: prefixes(d.cfg.Relay.Networks)})
	d.auth = auth.New(d.book, guard, nil)
	return nil
}

// authModeOf returns the mode of that name; the check of the configuration has seen that it is one.
func authModeOf(name string) relay.AuthMode {
	switch name {
	case "optional":
		return relay.AuthOptional
	case "strangers":
		return relay.AuthStrangers
	case "required":
		return relay.AuthRequired
	default:
		return relay.AuthOff
	}
}
