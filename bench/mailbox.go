package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/posthaste-mta/posthaste/bench/world"
	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/policy/auth"
)

// Mailboxes are those that posthaste has itself: a user in each of some domains, to whom all mail for that domain comes.
type Mailboxes struct {
	Users int `json:"users"`
	First int `json:"first_domain,omitempty"` // number of the first one's domain
	Big   int `json:"big,omitempty"`          // messages that the first has beforehand
	Each  int `json:"each,omitempty"`         // messages that each other has
}

// mailboxUser is the local part of all users: recipients of a tagged load are "r0+17".
const mailboxUser = "r0"

func (m *Mailboxes) domain(i int) string { return world.TownDomain(m.First + i) }

func (m *Mailboxes) account(i int) string { return mailboxUser + "@" + m.domain(i) }

// tables are the configuration of the mailboxes and of their listener.
func (m *Mailboxes) tables(imapPort int) string {
	if m.Users == 0 {
		return ""
	}
	domains := make([]string, m.Users)
	for i := range domains {
		domains[i] = fmt.Sprintf("%q", m.domain(i))
	}
	return fmt.Sprintf(`
[mailbox]
domains = [%s]

[[listener]]
name = "imap"
kind = "imap"
address = "127.0.0.1:%d"
tls = "none"
auth_insecure = true
limits.connections_per_address = 5000
`, strings.Join(domains, ", "), imapPort)
}

// credentials are the tables of all users. They have one secret, since making its hashes is meant to cost.
func (m *Mailboxes) credentials() (string, error) {
	if m.Users == 0 {
		return "", nil
	}
	hash, keys, err := auth.HashSecret(inletSecret)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i := range m.Users {
		fmt.Fprintf(&b, "\n[[credential]]\nname = %q\nsecret_hash = %q\nsecret_keys = %q\nsenders = [%q]\n", m.account(i), hash, keys, m.account(i))
	}
	return b.String(), nil
}

const (
	// stockedFrom is the number of the first message that is in a mailbox beforehand.
	stockedFrom  = 1 << 32
	stockWorkers = 32
)

// fill makes the mailboxes of a relay that does not run, with the mail that they have beforehand.
func (m *Mailboxes) fill(ctx context.Context, dataDir string, messageSize int, bars newBar) (err error) {
	store, err := mailbox.Open(mailbox.Options{Dir: filepath.Join(dataDir, "mailbox")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for i := range m.Users {
		if err := store.Add(ctx, m.account(i), 0); err != nil {
			return err
		}
	}
	total := m.Big + (m.Users-1)*m.Each
	bar := bars("mail in mailboxes", int64(total))
	defer bar.done()
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range stockWorkers {
		group.Go(func() error {
			maker := newLetterMaker(messageSize)
			for {
				n := int(next.Add(1)) - 1
				if n >= total || ctx.Err() != nil {
					return ctx.Err()
				}
				user := 0
				if n >= m.Big {
					user = 1 + (n-m.Big)%(m.Users-1)
				}
				to := mailbox.Copy{Account: m.account(user), Header: []byte("Delivered-To: " + m.account(user) + "\r\n")}
				content := maker.make(stockedFrom + uint64(n))
				if _, err := store.Deliver(ctx, mailbox.Delivery{Content: content, Copies: []mailbox.Copy{to}}); err != nil {
					return err
				}
				bar.set(int64(n))
			}
		})
	}
	return group.Wait()
}
