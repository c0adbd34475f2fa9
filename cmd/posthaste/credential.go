package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/policy/auth"
)

// credentialCmd is `posthaste credential`.
type credentialCmd struct {
	Add     credentialAddCmd     `cmd:"" help:"Make a credential; its secret is printed once."`
	List    credentialListCmd    `cmd:"" help:"List the credentials."`
	Show    credentialShowCmd    `cmd:"" help:"Show one credential; never its secret."`
	Set     credentialSetCmd     `cmd:"" help:"Change what is given."`
	Disable credentialDisableCmd `cmd:"" help:"Throw the kill switch: no login, and open sessions end."`
	Enable  credentialEnableCmd  `cmd:"" help:"Take it back."`
	Rotate  credentialRotateCmd  `cmd:"" help:"Give it another secret, which is printed once."`
	Remove  credentialRemoveCmd  `cmd:"" help:"Forget a credential."`
	Hash    credentialHashCmd    `cmd:"" help:"Print the hashes of a secret, for the configuration."`
}

// Help is the long help.
func (credentialCmd) Help() string {
	return `A credential is a name with a secret for a program or a person that sends mail through this relay,
by AUTH PLAIN, LOGIN or SCRAM-SHA-256. It may send anywhere, but only as its senders. Changes are in force
at once. The daemon makes them, or, when there is none, the command itself in data_dir. Credentials in the
configuration are listed too, and are changed there.

Exit codes: 0 done, 64 the command line is wrong, 69 refused, 75 the daemon is not running, 77 you may not.

Examples:
  posthaste credential add shop --sender shop.example --per-day 10000
  posthaste credential add staging --sender '*' --capture
  posthaste credential disable shop
  posthaste credential rotate shop --overlap 24h`
}

// credentialFlags are common to the commands that ask the daemon or the store.
type credentialFlags struct {
	controlFlags
	JSON bool `help:"Print JSON."`
}

// credentialListCmd is `posthaste credential list`.
type credentialListCmd struct{ credentialFlags }

// Run lists.
func (c *credentialListCmd) Run(p process) error {
	return c.with(func(ctx context.Context, all admin.Credentials) error {
		list, err := all.List(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(p.stdout).Encode(list)
		}
		if len(list) == 0 {
			_, err = fmt.Fprintln(p.stdout, "there are no credentials; make one: posthaste credential add NAME --sender DOMAIN")
			return err
		}
		table := tabwriter.NewWriter(p.stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(table, "NAME\tSENDERS\tTENANT\tCLASS\tSTATE")
		for i := range list {
			c := &list[i]
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", printable(c.Name), printable(shortList(c.Senders)), printable(c.Tenant), c.Class, credentialState(c))
		}
		return table.Flush()
	})
}

// shortList is a list for a table.
func shortList(list []string) string {
	const shown = 3
	if len(list) > shown {
		return strings.Join(list[:shown], " ") + fmt.Sprintf(" and %d more", len(list)-shown)
	}
	return strings.Join(list, " ")
}

func credentialState(c *admin.Credential) string {
	words := []string{"enabled"}
	if c.Disabled {
		words[0] = "disabled"
	}
	if c.Capture {
		words = append(words, "captured")
	}
	if c.ReadOnly {
		words = append(words, "in the configuration")
	}
	return strings.Join(words, ", ")
}

// credentialShowCmd is `posthaste credential show`.
type credentialShowCmd struct {
	Name string `arg:"" help:"Its name."`
	credentialFlags
}

// Run shows.
func (c *credentialShowCmd) Run(p process) error {
	return c.with(func(ctx context.Context, all admin.Credentials) error {
		one, err := all.Get(ctx, c.Name)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(p.stdout).Encode(one)
		}
		return printCredential(p.stdout, &one)
	})
}

func printCredential(w io.Writer, c *admin.Credential) error {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(table, "%s\t%s\n", key, printable(value))
		}
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Local().Format(time.DateTime)
	}
	line("name", c.Name)
	line("state", credentialState(c))
	for _, s := range c.Senders {
		line("sender", s)
	}
	line("tenant", c.Tenant)
	line("class", c.Class)
	line("limits", limitsText(&c.Limits))
	line("note", c.Note)
	line("made", at(c.Created))
	line("secret made", at(c.Rotated))
	line("secret before good until", at(c.PreviousUntil))
	return table.Flush()
}

func limitsText(l *admin.CredentialLimits) string {
	var words []string
	add := func(n int, unit string) {
		if n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, unit))
		}
	}
	add(l.MessagesPerSecond, "messages/s")
	add(l.MessagesPerHour, "messages/h")
	add(l.MessagesPerDay, "messages/day")
	add(l.RecipientsPerSecond, "recipients/s")
	add(l.RecipientsPerHour, "recipients/h")
	add(l.RecipientsPerDay, "recipients/day")
	add(l.Connections, "connections")
	if l.MessageBytes > 0 {
		words = append(words, "messages to "+shortSize(l.MessageBytes))
	}
	return strings.Join(words, ", ")
}

// credentialHashCmd is `posthaste credential hash`.
type credentialHashCmd struct{}

// Help is the long help.
func (credentialHashCmd) Help() string {
	return `Reads a secret from standard input, or makes one and prints it to standard error, and prints two
lines for a secret_file, or for secret_hash and secret_keys.

Example:
  posthaste credential hash < secret > /etc/posthaste/credentials/shop`
}

// Run hashes.
func (c *credentialHashCmd) Run(p process) error {
	secret, err := readSecret(p.stdin)
	if err != nil {
		return err
	}
	if secret == "" {
		secret = auth.GenerateSecret()
		fmt.Fprintln(p.stderr, "the secret is", secret)
	}
	hash, keys, err := auth.HashSecret(secret)
	if err != nil {
		return withCode(exitDataErr, err)
	}
	_, err = fmt.Fprintf(p.stdout, "%s\n%s\n", hash, keys)
	return err
}
