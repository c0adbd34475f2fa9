package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"

	"github.com/posthaste-mta/posthaste/queue"
)

// verifyCmd is `posthaste verify`.
type verifyCmd struct {
	Dir  string `arg:"" help:"A backup, or the queue folder of a daemon that is stopped."`
	JSON bool   `help:"Print JSON."`
}

// Help is the long help.
func (verifyCmd) Help() string {
	return `Reads every record and compares its checksum and what refers to what. Changes nothing.

Exit codes: 0 all is well, 1 something is damaged, 69 the folder cannot be read.

Example:
  posthaste verify /var/lib/posthaste/backup-2026-01-31`
}

// Run verifies.
func (c *verifyCmd) Run(p process) error {
	info, err := os.Stat(c.Dir)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "verify", Path: c.Dir, Err: fs.ErrInvalid}
	}
	if err != nil {
		return withCode(exitUnavailable, err)
	}
	r, err := queue.Verify(context.Background(), c.Dir)
	if err != nil {
		return withCode(exitUnavailable, fmt.Errorf("verifying %s: %w", c.Dir, err))
	}
	if c.JSON {
		if err := json.NewEncoder(p.stdout).Encode(r); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(p.stdout, "%d messages, %d recipients, %d records read\n", r.Messages, r.Recipients, r.Records)
		for _, problem := range r.Problems {
			fmt.Fprintln(p.stdout, printable(problem))
		}
	}
	if r.ProblemCount > 0 {
		return withCode(exitNo, fmt.Errorf("%d problems in %s", r.ProblemCount, c.Dir))
	}
	return nil
}
