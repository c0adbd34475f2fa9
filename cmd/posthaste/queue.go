package main

import "github.com/posthaste-mta/posthaste/admin"

// queueCmd is `posthaste queue`.
type queueCmd struct {
	List    queueListCmd    `cmd:"" help:"List what is queued."`
	Show    queueShowCmd    `cmd:"" help:"Show one message: its recipients and what their hosts said."`
	Stats   queueStatsCmd   `cmd:"" help:"Show where mail piles up, by age."`
	Retry   queueRetryCmd   `cmd:"" help:"Try what matches now."`
	Hold    queueHoldCmd    `cmd:"" help:"Keep what matches from being delivered."`
	Release queueReleaseCmd `cmd:"" help:"End a hold."`
	Drop    queueDropCmd    `cmd:"" help:"Delete what matches, without a bounce."`
	Bounce  queueBounceCmd  `cmd:"" help:"Return what matches to its senders as undeliverable."`
}

// Help is the long help.
func (queueCmd) Help() string {
	return `One grammar of filters for all of them: --domain, --site, --sender, --rcpt, --id, --older,
--tenant, --held; what is given must all match. Commands that change something first count what matches,
then ask; --yes does not ask, --dry-run only counts.

Exit codes: 0 done, 64 the command line is wrong, 75 the daemon is not running, 77 you may not.

Examples:
  posthaste queue list --domain example.com --older 1h
  posthaste queue retry --site 'mx.example.net'
  posthaste queue hold --sender @shop.example --yes
  posthaste queue bounce --id 0c5t8k2m9q4wz --reason 'the address was mistyped'`
}

// queueFlags are common to the commands that take a filter.
type queueFlags struct {
	admin.Filter `group:"Filter"`
	controlFlags
	JSON bool `help:"Print JSON."`
}
