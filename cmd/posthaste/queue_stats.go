package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/posthaste-mta/posthaste/admin"
)

// queueStatsCmd is `posthaste queue stats`.
type queueStatsCmd struct {
	queueFlags
	By  string `default:"domain" enum:"domain,sender,tenant" help:"Rows: domain, sender (its domain) or tenant."`
	Top int    `default:"20" help:"At most so many rows (default 20; 0 is all)."`
}

// Help is the long help.
func (queueStatsCmd) Help() string {
	return `Columns: recipients in all, by state, and by age as Postfix's qshape shows them.

Examples:
  posthaste queue stats
  posthaste queue stats --by sender --older 4h`
}

// Run shows the table.
func (c *queueStatsCmd) Run(p process) error {
	return c.ask(func(ctx context.Context, daemon *admin.Client) error {
		s, err := daemon.Stats(ctx, c.Filter, c.By, c.Top)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(p.stdout).Encode(s)
		}
		return printStats(p.stdout, s)
	})
}

func printStats(out io.Writer, s admin.Stats) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, s.By, "\trcpts\tready\twaiting\theld\tsending\t")
	for _, age := range admin.StatsAges {
		fmt.Fprintf(w, "<%s\t", shortAge(age))
	}
	fmt.Fprintf(w, "%s+\toldest\t\n", shortAge(admin.StatsAges[len(admin.StatsAges)-1]))
	for _, r := range append([]admin.StatsRow{s.Total}, s.Rows...) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t", printable(r.Name), r.Recipients, r.Ready, r.Waiting, r.Held, r.Delivering)
		for _, n := range r.Ages {
			fmt.Fprintf(w, "%d\t", n)
		}
		fmt.Fprintf(w, "%s\t\n", shortAge(time.Duration(r.Oldest)*time.Second))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if s.More > 0 {
		fmt.Fprintf(out, "and %d more (--top 0 shows all)\n", s.More)
	}
	return nil
}

// shortAge writes an age in its largest unit.
func shortAge(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return fmt.Sprintf("%ds", d/time.Second)
	}
}
