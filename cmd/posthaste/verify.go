package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/policy/store"
	"github.com/posthaste-mta/posthaste/queue"
)

// verifyCmd is `posthaste verify`.
type verifyCmd struct {
	Dir  string `arg:"" help:"A backup, or the data_dir of a daemon that is stopped, or the queue folder of either."`
	JSON bool   `help:"Print JSON."`
}

// Help is the long help.
func (verifyCmd) Help() string {
	return `Reads every record and compares its checksum and what refers to what. Changes nothing.

Exit codes: 0 all is well, 1 something is damaged, 69 the folder cannot be read.

Example:
  posthaste verify /var/lib/posthaste/backup-2026-01-31`
}

// verified is what was found; Policy and Mailbox are nil where there is none.
type verified struct {
	queue.VerifyReport
	Policy  *store.VerifyReport   `json:",omitempty"`
	Mailbox *mailbox.VerifyReport `json:",omitempty"`
}

// Run verifies.
func (c *verifyCmd) Run(p process) error {
	r, err := verifyFolder(context.Background(), c.Dir)
	if err != nil {
		return withCode(exitUnavailable, fmt.Errorf("verifying %s: %w", c.Dir, err))
	}
	if c.JSON {
		if err := json.NewEncoder(p.stdout).Encode(r); err != nil {
			return err
		}
	} else {
		r.print(p.stdout)
	}
	problems := r.ProblemCount
	if r.Policy != nil {
		problems += int64(len(r.Policy.Problems))
	}
	if r.Mailbox != nil {
		problems += r.Mailbox.ProblemCount
	}
	if problems > 0 {
		return withCode(exitNo, fmt.Errorf("%d problems in %s", problems, c.Dir))
	}
	return nil
}

// verifyFolder finds in dir the folders of a backup, or takes dir for a queue.
func verifyFolder(ctx context.Context, dir string) (r verified, err error) {
	if !isFolder(dir) {
		_, err := os.Stat(dir)
		if err == nil {
			err = &fs.PathError{Op: "verify", Path: dir, Err: fs.ErrInvalid}
		}
		return r, err
	}
	of, policy, mails := dir, filepath.Join(dir, policyFolder), filepath.Join(dir, mailboxFolder)
	if inner := filepath.Join(dir, queueFolder); isFolder(inner) {
		of = inner
	}
	if r.VerifyReport, err = queue.Verify(ctx, of); err != nil {
		return r, err
	}
	if isFolder(policy) {
		found, err := store.Verify(ctx, policy)
		if r.Policy = &found; err != nil {
			return r, err
		}
	}
	if isFolder(mails) {
		found, err := mailbox.Verify(ctx, mails)
		if r.Mailbox = &found; err != nil {
			return r, err
		}
	}
	return r, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (r *verified) print(out io.Writer) {
	fmt.Fprintf(out, "%d messages, %d recipients, %d records read\n", r.Messages, r.Recipients, r.Records)
	problems := r.Problems
	if r.Policy != nil {
		fmt.Fprint(out, "records of policy:")
		for _, table := range slices.Sorted(maps.Keys(r.Policy.Records)) {
			fmt.Fprintf(out, " %s %d", table, r.Policy.Records[table])
		}
		fmt.Fprintln(out)
		problems = append(problems, r.Policy.Problems...)
	}
	if m := r.Mailbox; m != nil {
		fmt.Fprintf(out, "%d mailboxes, %d folders, %d messages in them\n", m.Accounts, m.Folders, m.Messages)
		problems = append(problems, m.Problems...)
	}
	for _, problem := range problems {
		fmt.Fprintln(out, printable(problem))
	}
}
