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

// greylistListCmd is `posthaste greylist list`.
type greylistListCmd struct {
	Clients bool `xor:"part" help:"Networks that have come back, in place of triplets of network, sender and recipient."`
	Allowed bool `xor:"part" help:"What operators have allowed."`
	greylistFilterFlags
	Limit int  `short:"n" default:"1000" help:"At most so many (default 1000; 0 is no limit)."`
	JSON  bool `help:"Print JSON, an entry a line."`
	greylistFlags
}

// Run lists.
func (c *greylistListCmd) Run(p process) error {
	f, err := c.filter()
	if err != nil {
		return err
	}
	part := admin.GreylistTriplets
	switch {
	case c.Clients:
		part = admin.GreylistClients
	case c.Allowed:
		part = admin.GreylistAllowed
	}
	return c.with(func(ctx context.Context, g admin.Greylist) error {
		n := 0
		table := tabwriter.NewWriter(p.stdout, 0, 8, 2, ' ', 0)
		for item, err := range g.Items(ctx, part, f) {
			if err != nil {
				return err
			}
			if n++; c.Limit > 0 && n > c.Limit {
				break
			}
			if err := printGreylist(p.stdout, table, &item, c.JSON); err != nil {
				return err
			}
		}
		switch {
		case c.JSON:
			return nil
		case n == 0:
			_, err := fmt.Fprintln(p.stdout, "no entries")
			return err
		case c.Limit > 0 && n > c.Limit:
			fmt.Fprintf(table, "the first %d; there are more (--limit 0 lists all)\n", c.Limit)
		}
		return table.Flush()
	})
}

// printGreylist prints an entry: who, and what becomes of their mail.
func printGreylist(w, table io.Writer, item *admin.GreylistItem, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(item)
	}
	who := printable(item.Network)
	if item.Sender != nil {
		who += "\tfrom <" + printable(*item.Sender) + ">"
	}
	if item.Recipient != "" {
		who += "\tto <" + printable(item.Recipient) + ">"
	}
	what := "passes"
	if !item.Passes {
		what = "has come back " + fmt.Sprint(item.Passed) + " times"
		if !item.ReadyAt.IsZero() {
			what = "waits until " + item.ReadyAt.UTC().Format(time.DateTime)
		}
	}
	if !item.Until.IsZero() {
		what += "\tkept until " + item.Until.UTC().Format(time.DateTime)
	}
	_, err := fmt.Fprintf(table, "%s\t%s\n", who, what)
	return err
}
