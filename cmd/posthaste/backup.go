package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/posthaste-mta/posthaste/admin"
)

// backupCmd is `posthaste backup`.
type backupCmd struct {
	Dir string `arg:"" help:"Folder to make; it must not exist."`
	controlFlags
}

// Help is the long help.
func (backupCmd) Help() string {
	return `The daemon copies its queue, what policy keeps (credentials, quotas and the like) and the mailboxes, while
mail goes on: what was acknowledged before the command is in the copy. The folder must be one that the daemon
may write to. Copies on the same file system share their files with it at first and cost next to nothing.

To go back to a copy: stop the daemon, put the folders queue, policy and mailbox of the copy in the place of
those in data_dir (mailbox: mailbox.dir), start. Mail that was sent since the copy was made will be sent again.

Example:
  posthaste backup /var/lib/posthaste/backup-$(date +%F) && posthaste verify /var/lib/posthaste/backup-$(date +%F)`
}

// Run has the daemon make the copy.
func (c *backupCmd) Run(p process) error {
	dir, err := filepath.Abs(c.Dir) // the daemon's current folder is another
	if err != nil {
		return withCode(exitUsage, err)
	}
	return c.ask(func(ctx context.Context, daemon *admin.Client) error {
		if err := daemon.Backup(ctx, dir); err != nil {
			return err
		}
		_, err := fmt.Fprintln(p.stdout, "the data is copied to", dir)
		return err
	})
}
