package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/policy/greylist"
)

// greylistForgetCmd is `posthaste greylist forget`.
type greylistForgetCmd struct {
	All bool `help:"Forget everybody; wanted when nothing else says whom."`
	greylistFilterFlags
	greylistFlags
}

// Run forgets.
func (c *greylistForgetCmd) Run(p process) error {
	f, err := c.filter()
	if err != nil {
		return err
	}
	if f == (greylist.Filter{}) && !c.All {
		return withCode(exitUsage, errors.New("say whom to forget, or --all"))
	}
	return c.with(func(ctx context.Context, g admin.Greylist) error {
		n, err := g.Forget(ctx, f)
		if err == nil {
			_, err = fmt.Fprintf(p.stdout, "forgotten: %d triplets, %d clients\n", n.Triplets, n.Clients)
		}
		return err
	})
}

// greylistWhoFlags name an allowance.
type greylistWhoFlags struct {
	Kind string `arg:"" enum:"network,sender,recipient" help:"network, sender or recipient."`
	Name string `arg:"" help:"A network or address; of senders and recipients an address, a domain, or .example.com for all below it."`
}

func (f *greylistWhoFlags) kind() greylist.Kind {
	return map[string]greylist.Kind{"network": greylist.Network, "sender": greylist.Sender, "recipient": greylist.Recipient}[f.Kind]
}

// greylistAllowCmd is `posthaste greylist allow`.
type greylistAllowCmd struct {
	greylistWhoFlags
	Until string `placeholder:"TIME" help:"As 2026-12-31 or 2026-12-31T12:00:00Z; without it, for good."`
	greylistFlags
}

// Run allows.
func (c *greylistAllowCmd) Run(p process) error {
	var until Moment
	if err := until.UnmarshalText([]byte(c.Until)); err != nil {
		return withCode(exitUsage, fmt.Errorf("--until: %w", err))
	}
	return c.with(func(ctx context.Context, g admin.Greylist) error {
		err := g.Allow(ctx, greylist.Allowance{Kind: c.kind(), Name: c.Name, Until: until.Time})
		if err != nil {
			return err
		}
		limit := ""
		if !until.IsZero() {
			limit = " until " + until.UTC().Format(time.RFC3339)
		}
		_, err = fmt.Fprintf(p.stdout, "%s %s passes%s\n", c.Kind, printable(c.Name), limit)
		return err
	})
}

// greylistDisallowCmd is `posthaste greylist disallow`.
type greylistDisallowCmd struct {
	greylistWhoFlags
	greylistFlags
}

// Run takes an allowance back.
func (c *greylistDisallowCmd) Run(p process) error {
	return c.with(func(ctx context.Context, g admin.Greylist) error {
		if err := g.Disallow(ctx, c.kind(), c.Name); err != nil {
			return err
		}
		_, err := fmt.Fprintf(p.stdout, "%s %s has to wait like others\n", c.Kind, printable(c.Name))
		return err
	})
}
