package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/policy/store"
)

// with runs do with the daemon's credentials, or, when no daemon runs, with those in its data_dir.
func (f *credentialFlags) with(do func(context.Context, admin.Credentials) error) error {
	client, err := f.client()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx := context.Background()
	err = do(ctx, client.Credentials())
	if !errors.Is(err, admin.ErrNotRunning) {
		return controlError(err)
	}
	cfg := f.configOfSocket()
	if cfg == nil {
		return controlError(err)
	}
	s, err := openPolicyStore(cfg)
	if err != nil {
		return err
	}
	err = inBook(ctx, cfg, s, do)
	return errors.Join(controlError(err), s.Close())
}

// configOfSocket returns the configuration of the daemon that would answer at the control socket; nil if that is not known.
func (f *controlFlags) configOfSocket() *Config {
	file := f.Config
	if file == "" {
		file = defaultConfigFile
	}
	cfg, _, err := LoadConfig(file)
	if err != nil || f.Socket != "" && f.Socket != cfg.Control.Socket {
		return nil
	}
	return cfg
}

// openPolicyStore opens what policy keeps while no daemon has it open. Only the user whose folder it is may: what root
// wrote there, the daemon could not open.
func openPolicyStore(cfg *Config) (*store.Store, error) {
	if err := mayOpen(cfg); err != nil {
		return nil, err
	}
	s, err := store.Open(store.Options{Dir: filepath.Join(cfg.DataDir, policyFolder)})
	switch {
	case errors.Is(err, store.ErrLocked):
		return nil, withCode(exitTempFail, fmt.Errorf("%w, but nobody answers at %s", err, cfg.Control.Socket))
	case err != nil:
		return nil, withCode(exitUnavailable, err)
	}
	return s, nil
}

// mayOpen tells why data_dir is not ours to write to.
func mayOpen(cfg *Config) error {
	if owner, ok := ownerOf(cfg.DataDir); ok && owner != os.Geteuid() {
		return withCode(exitNoPerm, fmt.Errorf("the daemon is not running, and %s belongs to user %d: start the daemon, or do this as that user", cfg.DataDir, owner))
	}
	return nil
}

func inBook(ctx context.Context, cfg *Config, s *store.Store, do func(context.Context, admin.Credentials) error) error {
	book, err := bookIn(ctx, cfg, s)
	if err != nil {
		return err
	}
	return do(ctx, admin.BookCredentials(book))
}

// bookIn returns the credentials of the store and of the configuration.
func bookIn(ctx context.Context, cfg *Config, s *store.Store) (*auth.Book, error) {
	book, err := auth.OpenBook(ctx, s, nil)
	if err != nil {
		return nil, withCode(exitUnavailable, err)
	}
	list, err := credentialsOf(cfg)
	if err == nil {
		err = book.SetReadOnly(ctx, list)
	}
	if err != nil {
		return nil, configError(err)
	}
	return book, nil
}
