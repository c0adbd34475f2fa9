package main

import (
	"context"

	"github.com/posthaste-mta/posthaste/admin"
)

// traceCmd is `posthaste trace`.
type traceCmd struct {
	ID string `arg:"" help:"The message's id, as in the log and in the 250."`
	controlFlags
}

// Help is the long help.
func (traceCmd) Help() string {
	return `Prints the life of a message step by step with times, from the event log: accepted, where its
mail goes and how that was known, connection, TLS, each reply, the end.

Example:
  posthaste trace 0c5t8k2m9q4wz`
}

// Run traces.
func (c *traceCmd) Run(p process) error {
	id, err := messageID(c.ID)
	if err != nil {
		return err
	}
	return c.ask(func(ctx context.Context, daemon *admin.Client) error {
		return daemon.Trace(ctx, p.stdout, id)
	})
}
