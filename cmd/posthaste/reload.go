package main

import (
	"context"
	"fmt"

	"github.com/posthaste-mta/posthaste/admin"
)

// reloadCmd is `posthaste reload`.
type reloadCmd struct {
	controlFlags
}

// Help is the long help.
func (reloadCmd) Help() string {
	return `As SIGHUP does, but tells what is wrong with the new configuration; the old one then stays in
force. The example configuration marks the settings that a reload changes; which others have changed, and
wait for a restart, is told too.`
}

// Run has the daemon read its configuration again.
func (c *reloadCmd) Run(p process) error {
	return c.ask(func(ctx context.Context, daemon *admin.Client) error {
		restart, err := daemon.Reload(ctx)
		for _, key := range restart {
			fmt.Fprintf(p.stderr, "posthaste: %s has changed, and waits for a restart\n", key)
		}
		return err
	})
}
