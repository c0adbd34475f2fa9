package main

import (
	"fmt"
	"os"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/policy/address"
	"github.com/posthaste-mta/posthaste/relay"
)

// mailboxes is the mail of local recipients. nil: there are no local domains.
type mailboxes struct {
	store     *mailbox.Store
	addresses atomic.Pointer[address.Book]
	quota     atomic.Int64 // of new users; 0: none
}

// openMailboxes opens the store if there are local domains.
func openMailboxes(cfg *Config, log *zap.Logger) (*mailboxes, error) {
	if len(cfg.Mailbox.Domains) == 0 {
		return nil, nil
	}
	s, err := openMailStore(cfg, log)
	if err != nil {
		return nil, err
	}
	return &mailboxes{store: s}, nil
}

func openMailStore(cfg *Config, log *zap.Logger) (*mailbox.Store, error) {
	if err := os.MkdirAll(cfg.Mailbox.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("mailbox.dir: %w", err)
	}
	return mailbox.Open(mailbox.Options{Dir: cfg.Mailbox.Dir, Memory: int64(cfg.Mailbox.Memory), Log: log.Named("mailbox")})
}

// apply puts the addresses of cfg in force, and the mailboxes into p. After an error all is as before.
func (m *mailboxes) apply(cfg *Config, p *relay.Policy) error {
	if m == nil {
		return nil
	}
	book, err := address.New(cfg.addresses())
	if err != nil {
		return err
	}
	m.addresses.Store(book)
	m.quota.Store(int64(cfg.Mailbox.Quota))
	p.Local = &relay.Local{Addresses: book, Mailboxes: m.store}
	return nil
}

// local tells whether a domain has its mailboxes here.
func (m *mailboxes) local(domain string) bool { return m != nil && m.addresses.Load().Local(domain) }

// close ends the store. Nobody may use it any more.
func (m *mailboxes) close() error {
	if m == nil {
		return nil
	}
	return m.store.Close()
}
