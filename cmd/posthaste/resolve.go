package main

import (
	"context"

	"github.com/posthaste-mta/posthaste/admin"
)

// resolveCmd is `posthaste resolve`.
type resolveCmd struct {
	Domain string `arg:"" help:"The right side of an address."`
	controlFlags
}

// Help is the long help.
func (resolveCmd) Help() string {
	return `Asks the daemon where it would deliver a domain's mail now, and prints each step: routes, MX
records, addresses, what came from the cache, and the site whose limits hold.

Example:
  posthaste resolve example.com`
}

// Run resolves.
func (c *resolveCmd) Run(p process) error {
	return c.ask(func(ctx context.Context, daemon *admin.Client) error {
		return daemon.Resolve(ctx, p.stdout, c.Domain)
	})
}
