package main

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/policy/address"
	"github.com/posthaste-mta/posthaste/policy/auth"
)

// with runs do with the daemon's users, or, when no daemon runs, with those in its data_dir.
func (f *userFlags) with(do func(context.Context, admin.Users) error) error {
	client, err := f.client()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx := context.Background()
	err = do(ctx, client.Users())
	if !errors.Is(err, admin.ErrNotRunning) {
		return controlError(err)
	}
	cfg := f.configOfSocket()
	if cfg == nil {
		return controlError(err)
	}
	return inMailStore(cfg, func(m *mailboxes) error {
		s, err := openPolicyStore(cfg)
		if err != nil {
			return err
		}
		book, err := bookIn(ctx, cfg, s)
		if err == nil {
			err = do(ctx, localUsers(m, book))
		}
		return errors.Join(controlError(err), s.Close())
	})
}

// localUsers are the users of open stores.
func localUsers(m *mailboxes, book *auth.Book) admin.Users {
	return admin.LocalUsers{Store: m.store, Book: book, Local: m.local, Quota: m.quota.Load}
}

// inMailStore opens the mail store while no daemon has it open, and closes it again.
func inMailStore(cfg *Config, do func(*mailboxes) error) error {
	if len(cfg.Mailbox.Domains) == 0 {
		return withCode(exitConfig, errors.New("there are no mailboxes: set mailbox.domains in the configuration"))
	}
	if err := mayOpen(cfg); err != nil {
		return err
	}
	m, err := openMailboxes(cfg, zap.NewNop())
	switch {
	case errors.Is(err, mailbox.ErrLocked):
		return withCode(exitTempFail, fmt.Errorf("%w, but nobody answers at %s", err, cfg.Control.Socket))
	case err != nil:
		return withCode(exitUnavailable, err)
	}
	book, err := address.New(cfg.addresses())
	if err == nil {
		m.addresses.Store(book)
		m.quota.Store(int64(cfg.Mailbox.Quota))
		err = do(m)
	}
	return errors.Join(err, m.close())
}
