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
	"time"

	"golang.org/x/term"

	"github.com/posthaste-mta/posthaste/admin"
)

// credentialSettings are what a credential may and what bounds it; nil leaves a thing as it is.
type credentialSettings struct {
	Sender              []string `placeholder:"ADDR" help:"What it may send as: an address, a domain, .domain for all below, or *; replaces those before (may be repeated)."`
	Tenant              *string  `placeholder:"NAME" help:"Who owns its mail; empty: the listener's tenant."`
	Class               *string  `placeholder:"CLASS" help:"Priority of its mail: normal, transactional or bulk."`
	Capture             *bool    `negatable:"" help:"Accept everything and let nothing leave, for staging."`
	Note                *string  `placeholder:"TEXT" help:"A note for yourself."`
	PerSecond           *int     `placeholder:"N" help:"Messages a second; 0 is no limit, here and below."`
	PerHour             *int     `placeholder:"N" help:"Messages an hour."`
	PerDay              *int     `placeholder:"N" help:"Messages a day."`
	RecipientsPerSecond *int     `placeholder:"N" help:"Recipients a second."`
	RecipientsPerHour   *int     `placeholder:"N" help:"Recipients an hour."`
	RecipientsPerDay    *int     `placeholder:"N" help:"Recipients a day."`
	Connections         *int     `placeholder:"N" help:"Connections at a time."`
	MessageSize         *Size    `placeholder:"SIZE" help:"The largest message, such as 10MiB."`
}

// apply changes what is given.
func (s *credentialSettings) apply(c *admin.Credential) {
	if s.Sender != nil {
		c.Senders = s.Sender
	}
	give(&c.Tenant, s.Tenant)
	give(&c.Class, s.Class)
	give(&c.Capture, s.Capture)
	give(&c.Note, s.Note)
	l := &c.Limits
	give(&l.MessagesPerSecond, s.PerSecond)
	give(&l.MessagesPerHour, s.PerHour)
	give(&l.MessagesPerDay, s.PerDay)
	give(&l.RecipientsPerSecond, s.RecipientsPerSecond)
	give(&l.RecipientsPerHour, s.RecipientsPerHour)
	give(&l.RecipientsPerDay, s.RecipientsPerDay)
	give(&l.Connections, s.Connections)
	if s.MessageSize != nil {
		l.MessageBytes = int64(*s.MessageSize)
	}
}

func give[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// secretFlags is where a secret comes from.
type secretFlags struct {
	SecretStdin bool `help:"Read the secret from standard input rather than make one."`
}

// chosen returns the secret that was given; "" for one to be made.
func (f *secretFlags) chosen(p process) (string, error) {
	if !f.SecretStdin {
		return "", nil
	}
	secret, err := readSecret(p.stdin)
	if err == nil && secret == "" {
		err = withCode(exitUsage, errors.New("there is no secret on standard input"))
	}
	return secret, err
}

// readSecret reads one line, unless it would have to be typed.
func readSecret(in io.Reader) (string, error) {
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return "", nil
	}
	line, err := bufio.NewReader(io.LimitReader(in, maxSecretFile)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", withCode(exitIOErr, err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// tellSecret prints a new secret, alone on standard output where a script takes it from.
func (f *credentialFlags) tellSecret(p process, name, secret string) error {
	if f.JSON {
		return json.NewEncoder(p.stdout).Encode(map[string]string{"name": name, "secret": secret})
	}
	fmt.Fprintf(p.stderr, "the secret of %s, which is not shown again:\n", printable(name))
	_, err := fmt.Fprintln(p.stdout, secret)
	return err
}

// credentialAddCmd is `posthaste credential add`.
type credentialAddCmd struct {
	Name string `arg:"" help:"What the program logs in with: a word or an address."`
	credentialSettings
	secretFlags
	credentialFlags
}

// Run adds.
func (c *credentialAddCmd) Run(p process) error {
	made := admin.Credential{Name: c.Name}
	c.apply(&made)
	if len(made.Senders) == 0 {
		return withCode(exitUsage, errors.New("say what it may send as: --sender ADDRESS, DOMAIN, .DOMAIN or '*'"))
	}
	secret, err := c.chosen(p)
	if err != nil {
		return err
	}
	return c.with(func(ctx context.Context, all admin.Credentials) error {
		shown, err := all.Add(ctx, made, secret)
		if err != nil || c.SecretStdin {
			return err
		}
		return c.tellSecret(p, c.Name, shown)
	})
}

// credentialSetCmd is `posthaste credential set`.
type credentialSetCmd struct {
	Name string `arg:"" help:"Its name."`
	credentialSettings
	credentialFlags
}

// Run changes.
func (c *credentialSetCmd) Run(p process) error {
	return c.with(func(ctx context.Context, all admin.Credentials) error {
		one, err := all.Get(ctx, c.Name)
		if err != nil {
			return err
		}
		c.apply(&one)
		return all.Change(ctx, one)
	})
}

// credentialDisableCmd is `posthaste credential disable`.
type credentialDisableCmd struct {
	Name string `arg:"" help:"Its name."`
	credentialFlags
}

// Run disables.
func (c *credentialDisableCmd) Run(p process) error {
	return c.with(func(ctx context.Context, all admin.Credentials) error { return all.Disable(ctx, c.Name, true) })
}

// credentialEnableCmd is `posthaste credential enable`.
type credentialEnableCmd struct {
	Name string `arg:"" help:"Its name."`
	credentialFlags
}

// Run enables.
func (c *credentialEnableCmd) Run(p process) error {
	return c.with(func(ctx context.Context, all admin.Credentials) error { return all.Disable(ctx, c.Name, false) })
}

// credentialRotateCmd is `posthaste credential rotate`.
type credentialRotateCmd struct {
	Name    string        `arg:"" help:"Its name."`
	Overlap time.Duration `placeholder:"TIME" help:"How long the secret before stays good too, such as 24h; without it, it ends now."`
	secretFlags
	credentialFlags
}

// Run rotates.
func (c *credentialRotateCmd) Run(p process) error {
	secret, err := c.chosen(p)
	if err != nil {
		return err
	}
	return c.with(func(ctx context.Context, all admin.Credentials) error {
		shown, err := all.Rotate(ctx, c.Name, secret, c.Overlap)
		if err != nil || c.SecretStdin {
			return err
		}
		return c.tellSecret(p, c.Name, shown)
	})
}

// credentialRemoveCmd is `posthaste credential remove`.
type credentialRemoveCmd struct {
	Name string `arg:"" help:"Its name."`
	credentialFlags
}

// Run removes.
func (c *credentialRemoveCmd) Run(p process) error {
	return c.with(func(ctx context.Context, all admin.Credentials) error { return all.Remove(ctx, c.Name) })
}
