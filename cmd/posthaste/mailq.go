package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/admin"
)

// mailqCmd is `posthaste mailq`, for whom a link of that name is one too many.
type mailqCmd struct {
	Args []string `arg:"" optional:"" passthrough:"" help:"Flags, as for sendmail."`
}

// Run prints the queue.
func (c *mailqCmd) Run(p process) error {
	return (&sendmailCmd{Args: append([]string{"-bp"}, c.Args...)}).Run(p)
}

// printQueue is mailq, also sendmail -bp: Postfix's layout, which scripts read.
func printQueue(p process, opt sendmailOptions) error {
	return sendmailControl(opt).ask(func(ctx context.Context, daemon *admin.Client) error {
		return admin.WriteMailq(p.stdout, daemon.List(ctx, admin.Filter{}, 0), time.Local)
	})
}

// sendmailControl finds the daemon for the modes of sendmail that steer it.
func sendmailControl(opt sendmailOptions) *controlFlags {
	return &controlFlags{Socket: os.Getenv("POSTHASTE_SOCKET"), Config: opt.config}
}

// flushQueue is sendmail -q: what waits is due now.
func flushQueue(p process, opt sendmailOptions) error {
	var f admin.Filter
	switch opt.flush {
	case 'I':
		if _, err := messageID(opt.flushMatch); err != nil {
			return err
		}
		f.IDs = []string{strings.ToLower(opt.flushMatch)}
	case 'R':
		f.Domain = strings.TrimPrefix(opt.flushMatch, "@")
	case 'S':
		f.Sender = opt.flushMatch
	}
	if opt.flush != 0 && f.Empty() {
		return withCode(exitUsage, errors.New("-q"+string(opt.flush)+" wants a value"))
	}
	return sendmailControl(opt).ask(func(ctx context.Context, daemon *admin.Client) error {
		_, err := daemon.Act(ctx, admin.Retry, f, false, "")
		return err
	})
}
