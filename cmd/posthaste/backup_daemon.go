package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/posthaste-mta/posthaste/relay"
)

// The folders in data_dir, and in a backup of it.
const (
	queueFolder   = "queue"
	policyFolder  = "policy"
	mailboxFolder = "mailbox"
)

// steered is the relay as the control socket steers it.
type steered struct {
	*relay.Relay
	daemon *daemon
}

// Backup copies all that the daemon keeps to dir, which must not exist, while mail goes on.
func (s steered) Backup(_ context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	// The queue first: a quota, or a suppressed address, may then be ahead of the mail that brought it, never behind.
	err := s.daemon.queue.Backup(filepath.Join(dir, queueFolder))
	if err == nil {
		err = s.daemon.store.Backup(filepath.Join(dir, policyFolder))
	}
	// Mailboxes last: mail that is delivered meanwhile is in both, and the mailbox knows it again; never in neither.
	if err == nil && s.daemon.mailboxes != nil {
		err = s.daemon.mailboxes.store.Backup(filepath.Join(dir, mailboxFolder))
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir)) // half a copy must not be taken for one
	}
	return nil
}
