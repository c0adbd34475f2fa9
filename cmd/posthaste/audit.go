package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/posthaste-mta/posthaste/admin"
)

// auditCmd is `posthaste audit`.
type auditCmd struct {
	controlFlags
	JSON bool `help:"Print JSON."`
}

// Help is the long help.
func (auditCmd) Help() string {
	return `Counts every queued recipient, one by one, and compares: accepted = ended + queued. The
counters live in the same store as the mail and change in the same writes.

Exit codes: 0 it adds up, 1 it does not, 75 the daemon is not running.`
}

// Run audits.
func (c *auditCmd) Run(p process) error {
	return c.ask(func(ctx context.Context, daemon *admin.Client) error {
		a, err := daemon.Audit(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			err = json.NewEncoder(p.stdout).Encode(a)
		} else {
			printAudit(p.stdout, a)
		}
		if err == nil && a.Missing != 0 {
			return withCode(exitNo, fmt.Errorf("%d recipients are unaccounted for", a.Missing))
		}
		return err
	})
}

func printAudit(w io.Writer, a admin.Audit) {
	ended := a.Delivered + a.Bounced + a.Expired + a.Dropped + a.Captured + a.Suppressed
	var more string
	if a.Captured > 0 {
		more += fmt.Sprintf(", %d captured", a.Captured)
	}
	if a.Suppressed > 0 {
		more += fmt.Sprintf(", %d suppressed", a.Suppressed)
	}
	fmt.Fprintf(w, "accepted  %12d recipients\n", a.Accepted)
	fmt.Fprintf(w, "  ended   %12d  (%d delivered, %d bounced, %d expired, %d dropped%s)\n",
		ended, a.Delivered, a.Bounced, a.Expired, a.Dropped, more)
	fmt.Fprintf(w, "  queued  %12d  (%d held)\n", a.Queued, a.Held)
	if a.Damaged > 0 {
		fmt.Fprintf(w, "  damaged %12d  (put aside: their record cannot be read)\n", a.Damaged)
	}
	verdict := "it adds up: accepted = ended + queued"
	if a.Damaged > 0 {
		verdict = "it adds up: accepted = ended + queued + damaged"
	}
	if a.Missing != 0 {
		verdict = fmt.Sprintf("IT DOES NOT ADD UP: %d are missing", a.Missing)
	}
	fmt.Fprintln(w, verdict)
}
