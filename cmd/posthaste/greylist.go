package main

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/policy/greylist"
)

// greylistCmd is `posthaste greylist`.
type greylistCmd struct {
	List     greylistListCmd     `cmd:"" help:"List whom the greylist knows."`
	Forget   greylistForgetCmd   `cmd:"" help:"Forget clients, so that they have to come again."`
	Allow    greylistAllowCmd    `cmd:"" help:"Let a network, sender or recipient pass."`
	Disallow greylistDisallowCmd `cmd:"" help:"Take back what was allowed."`
}

// Help is the long help.
func (greylistCmd) Help() string {
	return `A client network (an IPv4 /24, an IPv6 /64) that brings mail for the first time, from this sender to this
recipient, is told to come again in some minutes; [greylist] says when and who need not. The daemon does what is asked, or the
command itself when there is no daemon.

Exit codes: 0 done, 64 the command line is wrong, 69 there is no such allowance.

Examples:
  posthaste greylist list --waiting --rcpt bob@example.net
  posthaste greylist list --clients
  posthaste greylist allow network 192.0.2.0/24
  posthaste greylist allow sender .example.org --until 2027-01-01
  posthaste greylist forget --network 198.51.100.0/24`
}

// greylistFilterFlags say which entries are meant.
type greylistFilterFlags struct {
	Network string `placeholder:"NET" help:"Of this network or address."`
	Sender  string `placeholder:"TEXT" help:"With this in the sender."`
	Rcpt    string `placeholder:"TEXT" help:"With this in the recipient."`
	Waiting bool   `help:"Only those that have not come back yet."`
}

func (f *greylistFilterFlags) filter() (greylist.Filter, error) {
	out := greylist.Filter{Sender: f.Sender, Recipient: f.Rcpt, Waiting: f.Waiting}
	if f.Network == "" {
		return out, nil
	}
	var p Prefix
	if err := p.UnmarshalText([]byte(f.Network)); err != nil {
		return out, withCode(exitUsage, err)
	}
	out.Network = p.Prefix
	if !strings.Contains(f.Network, "/") {
		out.Network = netip.PrefixFrom(p.Addr(), p.Bits())
	}
	return out, nil
}

// greylistFlags is how the commands find the greylist.
type greylistFlags struct{ controlFlags }

// with runs do with the daemon's greylist, or, when there is no daemon, with that in data_dir.
func (f *greylistFlags) with(do func(context.Context, admin.Greylist) error) error {
	socket, err := f.socketPath()
	if err != nil {
		return err
	}
	if cfg := f.withoutDaemon(socket); cfg != nil {
		return f.direct(cfg, do)
	}
	return f.ask(func(ctx context.Context, daemon *admin.Client) error {
		return greylistError(do(ctx, daemon.Greylist()))
	})
}

// direct opens the store itself.
func (f *greylistFlags) direct(cfg *Config, do func(context.Context, admin.Greylist) error) (err error) {
	kept, err := openPolicyStore(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	g, err := greylist.Open(context.Background(), greylist.Options{Store: kept, Rules: cfg.Greylist.rules()})
	if err != nil {
		return withCode(exitSoftware, err)
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	return greylistError(do(context.Background(), admin.LocalGreylist{Greylist: g}))
}

// greylistError gives an error of the greylist an exit code; others stay.
func greylistError(err error) error {
	switch {
	case errors.Is(err, greylist.ErrNotFound), errors.Is(err, greylist.ErrTooMany):
		return withCode(exitUnavailable, err)
	case err != nil && strings.HasPrefix(err.Error(), "greylist: "): // what an allowance is not
		return withCode(exitUsage, err)
	}
	return err
}
