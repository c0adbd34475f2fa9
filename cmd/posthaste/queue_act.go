package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/posthaste-mta/posthaste/admin"
)

// actFlags are common to the commands that change the queue.
type actFlags struct {
	queueFlags
	DryRun bool `help:"Only count what matches."`
	Yes    bool `short:"y" help:"Do not ask."`
}

type queueRetryCmd struct{ actFlags }
type queueHoldCmd struct{ actFlags }
type queueReleaseCmd struct{ actFlags }
type queueDropCmd struct {
	actFlags
	All bool `help:"Confirm that no filter means the whole queue."`
}
type queueBounceCmd struct {
	actFlags
	All    bool   `help:"Confirm that no filter means the whole queue."`
	Reason string `placeholder:"TEXT" help:"What the report tells the sender."`
}

// Run makes what matches due now.
func (c *queueRetryCmd) Run(p process) error { return c.act(p, admin.Retry, false, "") }

// Run holds what matches.
func (c *queueHoldCmd) Run(p process) error { return c.act(p, admin.Hold, false, "") }

// Run ends a hold.
func (c *queueReleaseCmd) Run(p process) error { return c.act(p, admin.Release, false, "") }

// Run deletes what matches.
func (c *queueDropCmd) Run(p process) error { return c.act(p, admin.Drop, c.All, "") }

// Run bounces what matches.
func (c *queueBounceCmd) Run(p process) error { return c.act(p, admin.Bounce, c.All, c.Reason) }

// actWords is how a finished act is told.
var actWords = map[admin.Act]string{
	admin.Retry: "made due now", admin.Hold: "held", admin.Release: "released",
	admin.Drop: "dropped", admin.Bounce: "bounced",
}

// act counts what matches, asks, and acts.
func (c *actFlags) act(p process, act admin.Act, all bool, reason string) error {
	if act.Final() && c.Filter.Empty() && !all && !c.DryRun {
		return withCode(exitUsage, fmt.Errorf("this would %s the whole queue: give a filter, or say --all", act))
	}
	return c.ask(func(ctx context.Context, daemon *admin.Client) error {
		n, err := daemon.Count(ctx, c.Filter)
		if err != nil {
			return err
		}
		if c.JSON && c.DryRun {
			return json.NewEncoder(p.stdout).Encode(n)
		}
		if !c.JSON {
			fmt.Fprintf(p.stdout, "%s matched: %d ready, %d waiting, %d held, %d in delivery\n",
				plural(n.Recipients, "recipient"), n.Ready, n.Waiting, n.Held, n.Delivering)
		}
		if c.DryRun || n.Recipients == 0 {
			return nil
		}
		if err := c.confirm(p, act); err != nil {
			return err
		}
		done, err := daemon.Act(ctx, act, c.Filter, all, reason)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(p.stdout).Encode(done)
		}
		fmt.Fprintf(p.stdout, "%s %s", plural(done.Recipients, "recipient"), actWords[act])
		if done.Skipped > 0 {
			fmt.Fprintf(p.stdout, "; left as they were, because in delivery: %d", done.Skipped)
		}
		fmt.Fprintln(p.stdout)
		return nil
	})
}

// confirm asks the person at the terminal. A script has to say --yes: a filter with a mistake in it
// must not empty a queue at night.
func (c *actFlags) confirm(p process, act admin.Act) error {
	if c.Yes {
		return nil
	}
	f, ok := p.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return withCode(exitUsage, errors.New("nothing was changed: say --yes to go on without a question"))
	}
	fmt.Fprintf(p.stderr, "%s them? [y/N] ", act)
	answer, err := bufio.NewReader(p.stdin).ReadString('\n')
	if err != nil || !strings.EqualFold(strings.TrimSpace(answer), "y") {
		return withCode(exitNo, errors.New("nothing was changed"))
	}
	return nil
}
