package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/policy/suppress"
)

// suppressAddCmd is `posthaste suppress add`.
type suppressAddCmd struct {
	Target []string `arg:"" help:"Addresses, or domains for all addresses at them."`
	Tenant string   `help:"Whose list; without it the list for all tenants."`
	Reason string   `default:"manual" help:"A word: manual, complaint, unsubscribe, ..."`
	Until  string   `placeholder:"DAY" help:"When the entry ends: 2026-12-31 or 2026-12-31T12:00:00Z."`
	Event  string   `placeholder:"ID" help:"The event that it rests on."`
	Remote string   `placeholder:"TEXT" help:"What the remote host said."`
	suppressFlags
}

// Run adds.
func (c *suppressAddCmd) Run(p process) error {
	e := suppress.Entry{Tenant: c.Tenant, Reason: c.Reason, Evidence: suppress.Evidence{Event: c.Event, Remote: c.Remote}}
	var until Moment
	if err := until.UnmarshalText([]byte(c.Until)); err != nil {
		return withCode(exitUsage, fmt.Errorf("--until: %w", err))
	}
	e.Until = until.Time
	entries := make([]suppress.Entry, len(c.Target))
	for i, target := range c.Target {
		entries[i] = e
		entries[i].Target = target
	}
	return c.with(func(ctx context.Context, list admin.Suppression) error {
		if err := list.Add(ctx, entries...); err != nil {
			return err
		}
		_, err := fmt.Fprintf(p.stdout, "%s on %s\n", countEntries(int64(len(entries))), ofTenant(c.Tenant))
		return err
	})
}

// suppressRemoveCmd is `posthaste suppress remove`.
type suppressRemoveCmd struct {
	Target []string `arg:"" help:"Addresses or domains, as they are on the list."`
	Tenant string   `help:"Whose list; without it the list for all tenants."`
	suppressFlags
}

// Run removes.
func (c *suppressRemoveCmd) Run(p process) error {
	return c.with(func(ctx context.Context, list admin.Suppression) error {
		for _, target := range c.Target {
			if err := list.Remove(ctx, c.Tenant, target); err != nil {
				return err
			}
			if _, err := fmt.Fprintf(p.stdout, "%s is off %s\n", printable(target), ofTenant(c.Tenant)); err != nil {
				return err
			}
		}
		return nil
	})
}

// suppressImportCmd is `posthaste suppress import`.
type suppressImportCmd struct {
	File   string `arg:"" help:"The file, or - for standard input."`
	Format string `enum:"csv,jsonl," default:"" help:"csv or jsonl; without it the file's name tells, and csv is the default."`
	Tenant string `help:"Whose the entries are that do not say so themselves."`
	JSON   bool   `help:"Print JSON."`
	suppressFlags
}

// Help is the long help.
func (suppressImportCmd) Help() string {
	return `CSV with a first line that names the columns (target, and of tenant, reason, event, remote, since,
until those that there are), a plain list with one address or domain a line, or JSON Lines with the same
members. If a line is wrong it is named with its field, and nothing is imported.`
}

// Run imports.
func (c *suppressImportCmd) Run(p process) error {
	in := p.stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return withCode(exitUnavailable, err)
		}
		defer f.Close()
		in = f
	}
	return c.with(func(ctx context.Context, list admin.Suppression) error {
		res, err := list.Import(ctx, in, formatOf(c.Format, c.File), c.Tenant)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(p.stdout).Encode(map[string]int64{"entries": res.Lines, "new": res.New, "replaced": res.Replaced})
		}
		_, err = fmt.Fprintf(p.stdout, "%s imported: %d new, %d replaced\n", countEntries(res.Lines), res.New, res.Replaced)
		return err
	})
}

func formatOf(given, file string) suppress.Format {
	switch {
	case given != "":
		return suppress.Format(given)
	case strings.HasSuffix(file, ".jsonl"), strings.HasSuffix(file, ".ndjson"), strings.HasSuffix(file, ".json"):
		return suppress.JSONLines
	default:
		return suppress.CSV
	}
}
