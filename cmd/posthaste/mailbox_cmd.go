package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/mailbox"
)

// mailboxCmd is `posthaste mailbox`.
type mailboxCmd struct {
	Export mailboxExportCmd `cmd:"" help:"Write a user's mail to a Maildir or an mbox."`
	Import mailboxImportCmd `cmd:"" help:"Add the mail of a Maildir or an mbox to a user's."`
}

// Help is the long help.
func (mailboxCmd) Help() string {
	return `Mail is read and written by this command, with your rights, and handed to the daemon or taken from it while
it works; when there is none, the command opens the store in data_dir itself.

Examples:
  posthaste mailbox export ann@example.com ann-maildir
  posthaste mailbox export ann@example.com --mbox - | gzip > ann.mbox.gz
  posthaste mailbox import ann@example.com ~ann/Maildir
  posthaste mailbox import ann@example.com /var/mail/ann --folder Archive`
}

// mailboxExportCmd is `posthaste mailbox export`.
type mailboxExportCmd struct {
	Name   string `arg:"" help:"The user's address."`
	Path   string `arg:"" help:"The Maildir, or with --mbox the file, to make; it must not exist. With --mbox - standard output."`
	Mbox   bool   `help:"Write an mbox, rather than a Maildir. All folders are in it; import tells them apart again."`
	Folder string `placeholder:"NAME" help:"Only this folder."`
	userFlags
}

// Run exports.
func (c *mailboxExportCmd) Run(p process) error {
	return c.with(func(ctx context.Context, all admin.Users) error {
		if _, err := all.Get(ctx, c.Name); err != nil {
			return err // before anything is made
		}
		n, err := c.write(p, c.wanted(all.Export(ctx, c.Name)))
		if err != nil {
			return err
		}
		if n == 0 && c.Folder != "" { // a slip of the pen, maybe before the mailbox is removed
			return withCode(exitUnavailable, fmt.Errorf("%s has no message in a folder %q", printable(c.Name), printable(c.Folder)))
		}
		if c.Path != "-" {
			fmt.Fprintf(p.stdout, "%s of %s written to %s\n", counted(n, "message"), printable(c.Name), c.Path)
		}
		return nil
	})
}

// wanted leaves out what is in other folders.
func (c *mailboxExportCmd) wanted(items iter.Seq2[mailbox.Item, error]) iter.Seq2[mailbox.Item, error] {
	if strings.EqualFold(c.Folder, "INBOX") { // the one name in which case does not count (RFC 9051 5.1)
		c.Folder = "INBOX"
	}
	return func(yield func(mailbox.Item, error) bool) {
		for item, err := range items {
			if err == nil && c.Folder != "" && item.Folder != c.Folder {
				continue
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

func (c *mailboxExportCmd) write(p process, items iter.Seq2[mailbox.Item, error]) (n int, err error) {
	if !c.Mbox {
		if err := os.Mkdir(c.Path, 0o700); err != nil {
			return 0, withCode(exitIOErr, err)
		}
		n, err = mailbox.WriteMaildir(c.Path, items)
		return n, fileError(err)
	}
	if c.Path == "-" {
		n, err = mailbox.WriteMbox(p.stdout, items)
		return n, fileError(err)
	}
	f, err := os.OpenFile(c.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, withCode(exitIOErr, err)
	}
	n, err = mailbox.WriteMbox(f, items)
	return n, fileError(errors.Join(err, f.Sync(), f.Close()))
}

// fileError gives errors that are neither the daemon's nor the store's the code of files.
func fileError(err error) error {
	var refused *admin.Problem
	var path *os.PathError
	if errors.As(err, &refused) || !errors.As(err, &path) {
		return err
	}
	return withCode(exitIOErr, err)
}

// mailboxImportCmd is `posthaste mailbox import`.
type mailboxImportCmd struct {
	Name   string `arg:"" help:"The user's address."`
	Path   string `arg:"" help:"A Maildir, with its folders, or an mbox; - is an mbox on standard input."`
	Folder string `placeholder:"NAME" help:"Put all of it into this folder; without, into those that it comes from."`
	userFlags
}

// Run imports.
func (c *mailboxImportCmd) Run(p process) error {
	return c.with(func(ctx context.Context, all admin.Users) error {
		if _, err := all.Get(ctx, c.Name); err != nil {
			return err // before standard input is read
		}
		items, done, err := c.source(p)
		if err != nil {
			return withCode(exitIOErr, err)
		}
		defer done()
		n, err := all.Import(ctx, c.Name, c.placed(items))
		if err == nil || n > 0 {
			fmt.Fprintf(p.stdout, "%s of %s stored\n", counted(n, "message"), printable(c.Name))
		}
		return fileError(err)
	})
}

// source opens what is to be read.
func (c *mailboxImportCmd) source(p process) (items iter.Seq2[mailbox.Item, error], done func(), err error) {
	if c.Path == "-" {
		return mailbox.ReadMbox(p.stdin, 0), func() {}, nil
	}
	if isFolder(c.Path) {
		return mailbox.ReadMaildir(c.Path, 0), func() {}, nil
	}
	f, err := os.Open(c.Path)
	if err != nil {
		return nil, nil, err
	}
	return mailbox.ReadMbox(f, 0), func() { f.Close() }, nil
}

// placed puts all into the folder that is asked for.
func (c *mailboxImportCmd) placed(items iter.Seq2[mailbox.Item, error]) iter.Seq2[mailbox.Item, error] {
	if c.Folder == "" {
		return items
	}
	return func(yield func(mailbox.Item, error) bool) {
		for item, err := range items {
			item.Folder = c.Folder
			if !yield(item, err) {
				return
			}
		}
	}
}
