package main

import (
	"errors"
	"fmt"
	"io/fs"
	"text/tabwriter"
)

// checkCmd is `posthaste check`.
type checkCmd struct {
	Config string `short:"c" default:"${config}" placeholder:"FILE" help:"The configuration (default ${config})."`
	Quiet  bool   `short:"q" help:"Print nothing when all is well."`
}

// Help is the long help.
func (checkCmd) Help() string {
	return `Every fault is printed as file:line: key: what is wrong; unknown keys with the nearest
known one. When there is none, every setting is printed with the line that set it, or "default".

Exit codes: 0 all is well, 78 something is wrong, 69 the file cannot be read.

Examples:
  posthaste check --config posthaste.toml
  posthaste check -c posthaste.toml | grep -v default   # what the file sets
  posthaste check -q && systemctl reload posthaste`
}

// Run checks the file.
func (c *checkCmd) Run(p process) error {
	cfg, pos, err := LoadConfig(c.Config)
	if err != nil {
		return configError(err)
	}
	switch _, err := loadSigning(cfg, pos); {
	case errors.Is(err, fs.ErrPermission): // of the folder; what is in it is not for everybody
		fmt.Fprintln(p.stderr, "posthaste: not checked:", err)
	case err != nil:
		return configError(err)
	}
	if c.Quiet {
		return nil
	}
	w := tabwriter.NewWriter(p.stdout, 0, 8, 2, ' ', 0)
	for _, s := range settings(cfg) {
		fmt.Fprintf(w, "%s = %s\t# %s\n", s.key, s, pos.Where(s.key))
	}
	return w.Flush()
}

// configError gives an error of LoadConfig its exit code.
func configError(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return withCode(exitUnavailable, err)
	}
	return withCode(exitConfig, err)
}
