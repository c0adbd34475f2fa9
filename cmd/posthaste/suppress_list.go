package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/suppress"
)

// suppressFilterFlags say which entries are wanted.
type suppressFilterFlags struct {
	Tenant   *string `help:"Only this tenant's list; \"\" is the list for all tenants."`
	Contains string  `placeholder:"TEXT" help:"Only addresses and domains with this in them."`
	Reason   string  `help:"Only those for this reason."`
}

func (f *suppressFilterFlags) filter() suppress.Filter {
	out := suppress.Filter{Contains: f.Contains, Reason: f.Reason}
	if f.Tenant != nil {
		out.Tenant, out.OneTenant = *f.Tenant, true
	}
	return out
}

// suppressExportCmd is `posthaste suppress export`.
type suppressExportCmd struct {
	Format string `enum:"csv,jsonl" default:"csv" help:"csv or jsonl (default csv)."`
	suppressFilterFlags
	suppressFlags
}

// Run exports.
func (c *suppressExportCmd) Run(p process) error {
	return c.with(func(_ context.Context, list admin.Suppression) error {
		_, err := list.Export(p.stdout, suppress.Format(c.Format), c.filter())
		return err
	})
}

// suppressListCmd is `posthaste suppress list`.
type suppressListCmd struct {
	suppressFilterFlags
	Limit int  `short:"n" default:"1000" help:"At most so many (default 1000; 0 is no limit)."`
	JSON  bool `help:"Print JSON, an entry a line."`
	suppressFlags
}

// Run lists.
func (c *suppressListCmd) Run(p process) error {
	return c.with(func(_ context.Context, list admin.Suppression) error {
		n, more, err := printEntries(p.stdout, list, c.filter(), c.Limit, c.JSON)
		if err != nil || c.JSON {
			return err
		}
		switch {
		case n == 0:
			_, err = fmt.Fprintln(p.stdout, "no entries")
		case more:
			_, err = fmt.Fprintf(p.stdout, "the first %d; there are more (--limit 0 lists all)\n", n)
		}
		return err
	})
}

// suppressShowCmd is `posthaste suppress show`.
type suppressShowCmd struct {
	Target string  `arg:"" help:"An address or a domain."`
	Tenant *string `help:"For mail of this tenant; without it, of any."`
	JSON   bool    `help:"Print JSON."`
	suppressFlags
}

// Run shows all entries that keep mail from the target.
func (c *suppressShowCmd) Run(p process) error {
	target, err := suppress.ParseTarget(c.Target)
	if err != nil {
		return withCode(exitUsage, err)
	}
	f := suppress.Filter{Targets: []string{target}}
	if domain := message.DomainOf(target); domain != target && domain != "" {
		f.Targets = append(f.Targets, domain)
	}
	return c.with(func(_ context.Context, list admin.Suppression) error {
		found := 0
		for _, tenant := range c.tenants() {
			f.Tenant, f.OneTenant = tenant, c.Tenant != nil
			n, _, err := printEntries(p.stdout, list, f, 0, c.JSON)
			if err != nil {
				return err
			}
			found += n
		}
		if found == 0 {
			return withCode(exitUnavailable, fmt.Errorf("%s is on no list", printable(target)))
		}
		return nil
	})
}

// tenants are the lists that hold for mail of the tenant.
func (c *suppressShowCmd) tenants() []string {
	if c.Tenant == nil || *c.Tenant == "" {
		return []string{""}
	}
	return []string{*c.Tenant, ""}
}

var errEnough = errors.New("enough")

// printEntries prints the entries; more tells that there are others beyond the limit.
func printEntries(w io.Writer, list admin.Suppression, f suppress.Filter, limit int, asJSON bool) (n int, more bool, err error) {
	r, pipe := io.Pipe()
	exported := make(chan error, 1)
	go func() {
		_, err := list.Export(pipe, suppress.JSONLines, f)
		pipe.CloseWithError(err)
		exported <- err
	}()
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if limit > 0 && n == limit {
			more = true
			break
		}
		n++
		if asJSON {
			fmt.Fprintf(w, "%s\n", lines.Bytes())
		} else if err := printEntry(table, lines.Bytes()); err != nil {
			return n, more, err
		}
	}
	r.CloseWithError(errEnough)
	if err := <-exported; err != nil && !errors.Is(err, errEnough) {
		return n, more, err
	}
	return n, more, table.Flush()
}

func printEntry(w io.Writer, line []byte) error {
	var raw struct {
		Tenant, Target, Reason, Event, Remote, Since, Until string
	}
	if err := json.Unmarshal(line, &raw); err != nil {
		return err
	}
	tenant := raw.Tenant
	if tenant == "" {
		tenant = "(all)"
	}
	until := ""
	if raw.Until != "" {
		until = "until " + raw.Until
	}
	words := []string{printable(raw.Target), printable(tenant), raw.Reason, "since " + raw.Since, until, raw.Event, printable(raw.Remote)}
	for len(words) > 0 && words[len(words)-1] == "" {
		words = words[:len(words)-1]
	}
	_, err := fmt.Fprintln(w, strings.Join(words, "\t"))
	return err
}
