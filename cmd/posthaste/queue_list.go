package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/admin"
)

// queueListCmd is `posthaste queue list`.
type queueListCmd struct {
	queueFlags
	Limit int `short:"n" default:"1000" help:"At most so many recipients (default 1000; 0 is no limit)."`
}

// Help is the long help.
func (queueListCmd) Help() string {
	return `--json prints a line for each message and domain, with the members of Postfix's postqueue -j
and more of ours.

Examples:
  posthaste queue list --domain example.com
  posthaste queue list --held
  posthaste queue list --json --limit 0 | jq -r .queue_id`
}

// Run lists.
func (c *queueListCmd) Run(p process) error {
	return c.ask(func(ctx context.Context, daemon *admin.Client) error {
		out := bufio.NewWriter(p.stdout)
		defer out.Flush()
		print := printItem
		if c.JSON {
			print = printJSON
		}
		recipients := 0
		for item, err := range daemon.List(ctx, c.Filter, c.Limit) {
			if err != nil {
				return err
			}
			if err := print(out, item); err != nil {
				return err
			}
			recipients += len(item.Recipients)
		}
		if c.JSON {
			return nil
		}
		switch {
		case recipients == 0:
			fmt.Fprintln(out, "nothing matches")
		case recipients == c.Limit:
			fmt.Fprintf(out, "%s; there may be more (--limit 0 lists all)\n", plural(recipients, "recipient"))
		default:
			fmt.Fprintln(out, plural(recipients, "recipient"))
		}
		return nil
	})
}

// printItem prints one line for the message and one for each recipient.
func printItem(w io.Writer, item *admin.QueueItem) error {
	due := ""
	if item.State == "waiting" {
		due = ", next try " + item.NextDue.Local().Format(time.DateTime)
	}
	_, err := fmt.Fprintf(w, "%s  %s  %s  <%s> to %s: %s, %s%s\n", printable(item.QueueID),
		time.Unix(item.ArrivalTime, 0).Format(time.DateTime), shortSize(item.MessageSize), printable(item.Sender),
		printable(item.Queue), printable(item.State), plural(item.Attempts, "attempt"), due)
	for _, r := range item.Recipients {
		reason := ""
		if r.DelayReason != "" {
			reason = ": " + printable(r.DelayReason)
		}
		if _, err := fmt.Fprintf(w, "    %s%s\n", printable(r.Address), reason); err != nil {
			return err
		}
	}
	return err
}

func printJSON(w io.Writer, item *admin.QueueItem) error {
	return json.NewEncoder(w).Encode(item)
}

// plural writes a number with its noun.
func plural[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// shortSize writes a size for people: three digits and a unit.
func shortSize(n int64) string {
	v, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB"} {
		if v < 1000 {
			break
		}
		v, unit = v/1024, u
	}
	if unit == "B" || v >= 100 {
		return fmt.Sprintf("%.0f %s", v, unit)
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}

// queueShowCmd is `posthaste queue show`.
type queueShowCmd struct {
	ID string `arg:"" help:"The message's id, as in the log and in the 250."`
	controlFlags
	JSON bool `help:"Print JSON."`
}

// Run shows.
func (c *queueShowCmd) Run(p process) error {
	if _, err := messageID(c.ID); err != nil {
		return err
	}
	return c.ask(func(ctx context.Context, daemon *admin.Client) error {
		found := false
		for item, err := range daemon.List(ctx, admin.Filter{IDs: []string{strings.ToLower(c.ID)}}, 0) {
			if err != nil {
				return err
			}
			found = true
			print := printItem
			if c.JSON {
				print = printJSON
			}
			if err := print(p.stdout, item); err != nil {
				return err
			}
		}
		if !found {
			return withCode(exitUnavailable, fmt.Errorf("%s is not in the queue; posthaste trace %s may tell what became of it", c.ID, c.ID))
		}
		return nil
	})
}
