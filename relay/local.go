package relay

import (
	"context"

	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/address"
)

// Local is who has a mailbox here. Nobody needs permission to send there, and what is accepted for a local domain is
// put into mailboxes and not sent anywhere.
type Local struct {
	Addresses Addresses
	Mailboxes Mailboxes
}

// Addresses tells what is behind the addresses of local domains; *address.Book does.
type Addresses interface {
	Local(domain string) bool
	Resolve(to message.Address, has func(account string) bool) (targets []address.Target, known bool)
	Account(to message.Address, has func(account string) bool) (account string, ok bool)
}

// Mailboxes keeps the mail of local recipients; *mailbox.Store does. Has and Room are asked at each RCPT. A Deliver
// that hangs holds up local mail alone.
type Mailboxes interface {
	Has(account string) bool
	Room(account string, size int64) error
	Deliver(ctx context.Context, d mailbox.Delivery) ([]error, error)
}

// serves tells whether the mail of a domain stays here.
func (l *Local) serves(domain string) bool { return l != nil && l.Addresses.Local(domain) }
