package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/posthaste-mta/posthaste/admin"
)

// passwordFlags is where a password comes from.
type passwordFlags struct {
	PasswordStdin bool `xor:"password" help:"Read the password from standard input rather than make one."`
	Ask           bool `xor:"password" help:"Ask for the password, twice."`
}

// chosen returns the password that was given; "" for one to be made.
func (f *passwordFlags) chosen(p process) (string, error) {
	switch {
	case f.Ask:
		return askPassword(p)
	case !f.PasswordStdin:
		return "", nil
	}
	password, err := readSecret(p.stdin)
	if err == nil && password == "" {
		err = withCode(exitUsage, errors.New("there is no password on standard input"))
	}
	return password, err
}

// askPassword has a password typed twice, unseen.
func askPassword(p process) (string, error) {
	f, ok := p.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", withCode(exitUsage, errors.New("--ask wants a terminal; from a script, use --password-stdin"))
	}
	var typed [2]string
	for i, words := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(p.stderr, words)
		text, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(p.stderr)
		if err != nil {
			return "", withCode(exitIOErr, err)
		}
		typed[i] = string(text)
	}
	if typed[0] != typed[1] {
		return "", withCode(exitUsage, errors.New("the two are not the same"))
	}
	if typed[0] == "" {
		return "", withCode(exitUsage, errors.New("no password was typed; without --ask one is made"))
	}
	return typed[0], nil
}

// tellPassword prints a password that was made, alone on standard output where a script takes it from.
func (f *userFlags) tellPassword(p process, name, password string) error {
	if f.JSON {
		return json.NewEncoder(p.stdout).Encode(map[string]string{"name": name, "password": password})
	}
	fmt.Fprintf(p.stderr, "the password of %s, which is not shown again:\n", printable(name))
	_, err := fmt.Fprintln(p.stdout, password)
	return err
}

// userAddCmd is `posthaste user add`.
type userAddCmd struct {
	Name  string `arg:"" help:"The user's address, in a local domain."`
	Quota *Size  `placeholder:"SIZE" help:"The most that all of its mail may take, such as 5GiB; 0 is no limit. Default: mailbox.quota."`
	passwordFlags
	userFlags
}

// Run adds.
func (c *userAddCmd) Run(p process) error {
	password, err := c.chosen(p)
	if err != nil {
		return err
	}
	return c.with(func(ctx context.Context, all admin.Users) error {
		made, err := all.Add(ctx, c.Name, (*int64)(c.Quota), password)
		if err != nil || password != "" || made == "" {
			return err
		}
		return c.tellPassword(p, c.Name, made)
	})
}

// userPasswdCmd is `posthaste user passwd`.
type userPasswdCmd struct {
	Name string `arg:"" help:"The user's address."`
	passwordFlags
	userFlags
}

// Run changes the password.
func (c *userPasswdCmd) Run(p process) error {
	password, err := c.chosen(p)
	if err != nil {
		return err
	}
	return c.with(func(ctx context.Context, all admin.Users) error {
		made, err := all.Passwd(ctx, c.Name, password)
		if err != nil || password != "" {
			return err
		}
		return c.tellPassword(p, c.Name, made)
	})
}

// userRemoveCmd is `posthaste user remove`.
type userRemoveCmd struct {
	Name string `arg:"" help:"The user's address."`
	Yes  bool   `short:"y" help:"Do not ask."`
	userFlags
}

// Run removes.
func (c *userRemoveCmd) Run(p process) error {
	return c.with(func(ctx context.Context, all admin.Users) error {
		u, err := all.Get(ctx, c.Name)
		var refused *admin.Problem
		if errors.As(err, &refused) && c.Yes {
			return all.Remove(ctx, c.Name) // what is left of one
		}
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%s with %s (%s)", printable(u.Name), counted(u.Messages, "message"), shortSize(u.Bytes))
		if !c.Yes {
			fmt.Fprintf(p.stderr, "Remove %s for good? [y/N] ", what)
			if !yes(p.stdin) {
				return withCode(exitNo, errors.New("nothing was removed"))
			}
		}
		if err := all.Remove(ctx, c.Name); err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.stdout, "removed %s\n", what)
		return err
	})
}

// counted is "1 message", "2 messages".
func counted(n int, unit string) string {
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// yes tells whether the next line says so.
func yes(in io.Reader) bool {
	line, err := bufio.NewReader(io.LimitReader(in, 100)).ReadString('\n')
	word := strings.ToLower(strings.TrimSpace(line))
	return (err == nil || err == io.EOF) && (word == "y" || word == "yes")
}
