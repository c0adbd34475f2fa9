package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/address"
	"github.com/posthaste-mta/posthaste/resolver"
)

// resolveCmd is `posthaste resolve`.
type resolveCmd struct {
	Domain string `arg:"" help:"The right side of an address."`
	controlFlags
}

// Help is the long help.
func (resolveCmd) Help() string {
	return `Tells where a domain's mail would be delivered now, and each step to it: routes, MX records,
addresses, what came from the cache, and the site whose limits hold. It asks the running daemon;
when there is none, it asks the name servers itself by the configuration.

Example:
  posthaste resolve example.com`
}

// Run resolves.
func (c *resolveCmd) Run(p process) error {
	err := c.ask(func(ctx context.Context, daemon *admin.Client) error {
		return daemon.Resolve(ctx, p.stdout, c.Domain)
	})
	if errors.Is(err, admin.ErrNotRunning) {
		fmt.Fprintln(p.stderr, "posthaste: the daemon is not running; asking the name servers")
		return c.withoutDaemon(p)
	}
	return err
}

// withoutDaemon resolves with an empty cache, by the configuration if there is one.
func (c *resolveCmd) withoutDaemon(p process) error {
	domain, err := message.ParseDomain(c.Domain, true)
	if err != nil {
		return withCode(exitUsage, fmt.Errorf("%s is no domain: %s", printable(c.Domain), strings.TrimPrefix(err.Error(), message.ErrBadAddress.Error()+": ")))
	}
	cfg, err := configOrDefault(c.Config)
	if err != nil {
		return err
	}
	book, err := address.New(cfg.addresses())
	if err != nil {
		return withCode(exitSoftware, err)
	}
	if book.Local(domain) {
		return explainLocal(p.stdout, domain)
	}
	r, err := resolver.New(resolverConfig(cfg))
	if err != nil {
		return withCode(exitUnavailable, err)
	}
	defer r.Close()
	_, err = r.Explain(context.Background(), domain).WriteTo(p.stdout)
	return err
}

// explainLocal tells where the mail of a local domain goes.
func explainLocal(w io.Writer, domain string) error {
	_, err := fmt.Fprintf(w, "%s\n  rule   mailbox.domains has it: the mail stays here\ndeliver  by local, site local\n", domain)
	return err
}

// configOrDefault returns the configuration of a file, or the defaults when none was named and none is in its place.
func configOrDefault(file string) (*Config, error) {
	if file == "" {
		if !exists(defaultConfigFile) {
			cfg := DefaultConfig()
			cfg.complete()
			return cfg, nil
		}
		file = defaultConfigFile
	}
	cfg, _, err := LoadConfig(file)
	if err != nil {
		return nil, configError(err)
	}
	return cfg, nil
}
