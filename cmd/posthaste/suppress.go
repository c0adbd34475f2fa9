package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/policy/suppress"
)

// suppressCmd is `posthaste suppress`.
type suppressCmd struct {
	Add    suppressAddCmd    `cmd:"" help:"Put addresses or domains on a list."`
	List   suppressListCmd   `cmd:"" help:"List the entries."`
	Show   suppressShowCmd   `cmd:"" help:"Show whether an address gets mail, and if not, why."`
	Remove suppressRemoveCmd `cmd:"" help:"Take addresses or domains off a list."`
	Import suppressImportCmd `cmd:"" help:"Enter all entries of a file, or none."`
	Export suppressExportCmd `cmd:"" help:"Write the lists as a file."`
}

// Help is the long help.
func (suppressCmd) Help() string {
	return `Whoever is on a list gets no mail: each tenant has a list of its own, and the one without a
tenant holds for all. Hard bounces enter it as [suppression] says. The daemon does what is asked, or the
command itself when there is no daemon.

Exit codes: 0 done, 64 the command line is wrong, 65 a file is wrong, 69 there is no such entry.

Examples:
  posthaste suppress add joe@example.com --tenant shop --reason complaint
  posthaste suppress show joe@example.com
  posthaste suppress import unsubscribed.csv --tenant shop
  posthaste suppress export --format jsonl > lists.jsonl`
}

// suppressFlags is how the commands find the lists.
type suppressFlags struct {
	controlFlags
}

// with runs do with the daemon's lists, or, when there is no daemon, with those in data_dir.
func (f *suppressFlags) with(do func(context.Context, admin.Suppression) error) error {
	socket, err := f.socketPath()
	if err != nil {
		return err
	}
	if cfg := f.withoutDaemon(socket); cfg != nil {
		return f.direct(cfg, do)
	}
	return f.ask(func(ctx context.Context, daemon *admin.Client) error {
		return suppressError(do(ctx, daemon.Suppression()))
	})
}

// withoutDaemon returns the configuration if nobody answers at the socket and it can be read.
func (f *controlFlags) withoutDaemon(socket string) *Config {
	if conn, err := net.DialTimeout("unix", socket, time.Second); err == nil {
		conn.Close()
		return nil
	}
	file := f.Config
	if file == "" {
		file = defaultConfigFile
	}
	cfg, _, err := LoadConfig(file)
	if err != nil || cfg.Control.Socket != socket {
		return nil
	}
	return cfg
}

// direct opens the store itself. A daemon that begins meanwhile waits for nobody: it fails to start, which the
// shortness of these commands makes unlikely.
func (f *suppressFlags) direct(cfg *Config, do func(context.Context, admin.Suppression) error) (err error) {
	kept, err := openPolicyStore(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	list, err := suppress.Open(context.Background(), suppress.Options{Store: kept})
	if err != nil {
		return withCode(exitSoftware, err)
	}
	defer func() { err = errors.Join(err, list.Close()) }()
	return suppressError(do(context.Background(), list))
}

// suppressError gives an error of the lists an exit code; others stay.
func suppressError(err error) error {
	var field *suppress.FieldError
	var file *suppress.ImportError
	var refused *admin.Problem
	switch {
	case err == nil:
		return nil
	case errors.Is(err, suppress.ErrNotFound):
		return withCode(exitUnavailable, err)
	case errors.As(err, &file), errors.As(err, &refused) && refused.Status == 422:
		return withCode(exitDataErr, err)
	case errors.As(err, &field):
		return withCode(exitUsage, err)
	}
	return err
}

func countEntries(n int64) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// ofTenant says whose a list is.
func ofTenant(tenant string) string {
	if tenant == "" {
		return "the list for all tenants"
	}
	return fmt.Sprintf("the list of tenant %s", printable(tenant))
}
