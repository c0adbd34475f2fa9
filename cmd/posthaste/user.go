package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/posthaste-mta/posthaste/admin"
)

// userCmd is `posthaste user`.
type userCmd struct {
	Add     userAddCmd     `cmd:"" help:"Make a user; the password is printed once."`
	List    userListCmd    `cmd:"" help:"List the users, and how much mail they have."`
	Passwd  userPasswdCmd  `cmd:"" help:"Give a user another password."`
	Disable userDisableCmd `cmd:"" help:"Let a user not log in any more; open sessions end, and mail is still taken."`
	Enable  userEnableCmd  `cmd:"" help:"Take that back."`
	Quota   userQuotaCmd   `cmd:"" help:"Say how much mail a user may have."`
	Remove  userRemoveCmd  `cmd:"" help:"Remove a user with all mail."`
}

// Help is the long help.
func (userCmd) Help() string {
	return `A user is an address in a local domain (mailbox.domains) with a mailbox here and a password, which is
good for reading mail over IMAP and POP3 and for sending as that address. Changes are in force at once. The
daemon makes them, or, when there is none, the command itself in data_dir. More addresses for a user are
aliases ([[alias]] in the configuration); more that it may send as: posthaste credential set NAME --sender ...

Exit codes: 0 done, 64 the command line is wrong, 69 refused, 75 the daemon is not running, 77 you may not.

Examples:
  posthaste user add ann@example.com
  echo 'correct horse battery' | posthaste user passwd ann@example.com --password-stdin
  posthaste user quota ann@example.com 5GiB`
}

// userFlags are common to the commands about users.
type userFlags struct {
	controlFlags
	JSON bool `help:"Print JSON."`
}

// userListCmd is `posthaste user list`.
type userListCmd struct{ userFlags }

// Run lists.
func (c *userListCmd) Run(p process) error {
	return c.with(func(ctx context.Context, all admin.Users) error {
		list, err := all.List(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(p.stdout).Encode(list)
		}
		if len(list) == 0 {
			_, err = fmt.Fprintln(p.stdout, "there are no users; make one: posthaste user add NAME@DOMAIN")
			return err
		}
		table := tabwriter.NewWriter(p.stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(table, "NAME\tMESSAGES\tSIZE\tQUOTA\tUSED\tSTATE")
		for i := range list {
			u := &list[i]
			fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\n", printable(u.Name), u.Messages, shortSize(u.Bytes), quotaText(u.Quota), usedText(u), userState(u))
		}
		return table.Flush()
	})
}

func quotaText(bytes int64) string {
	if bytes == 0 {
		return "none"
	}
	return shortSize(bytes)
}

func usedText(u *admin.User) string {
	if u.Quota == 0 {
		return "-"
	}
	return fmt.Sprintf("%d%%", int64(float64(u.Bytes)*100/float64(u.Quota)))
}

func userState(u *admin.User) string {
	words := []string{"enabled"}
	switch {
	case u.NoLogin:
		words[0] = "no login"
	case u.Disabled:
		words[0] = "disabled"
	}
	if u.ReadOnly {
		words = append(words, "password in the configuration")
	}
	return strings.Join(words, ", ")
}

// userDisableCmd is `posthaste user disable`.
type userDisableCmd struct {
	Name string `arg:"" help:"The user's address."`
	userFlags
}

// Run disables.
func (c *userDisableCmd) Run(p process) error {
	return c.with(func(ctx context.Context, all admin.Users) error { return all.Disable(ctx, c.Name, true) })
}

// userEnableCmd is `posthaste user enable`.
type userEnableCmd struct {
	Name string `arg:"" help:"The user's address."`
	userFlags
}

// Run enables.
func (c *userEnableCmd) Run(p process) error {
	return c.with(func(ctx context.Context, all admin.Users) error { return all.Disable(ctx, c.Name, false) })
}

// userQuotaCmd is `posthaste user quota`.
type userQuotaCmd struct {
	Name  string `arg:"" help:"The user's address."`
	Quota Size   `arg:"" help:"The most that all of its mail may take, such as 5GiB; 0 is no limit."`
	userFlags
}

// Run sets the quota.
func (c *userQuotaCmd) Run(p process) error {
	return c.with(func(ctx context.Context, all admin.Users) error { return all.SetQuota(ctx, c.Name, int64(c.Quota)) })
}
