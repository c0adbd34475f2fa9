package relay

import (
	"errors"

	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/address"
)

// maxReached bounds the addresses that are behind those of one message.
const maxReached = 10_000

// checkLocal decides about a recipient of a local domain: there has to be one, with room for the message.
func (s *session) checkLocal(l *Local, to message.Address) error {
	targets, known := l.Addresses.Resolve(to, l.Mailboxes.Has)
	if !known {
		return reply(550, 5, 1, 1, "No such recipient here")
	}
	if s.reached += len(targets); s.reached > maxReached {
		s.reached -= len(targets)
		return reply(452, 4, 5, 3, "Too many recipients are behind these addresses")
	}
	if l.full(targets, max(s.size, 1)) {
		s.reached -= len(targets)
		return reply(452, 4, 2, 2, "The mailbox is full, try again later")
	}
	return nil
}

// full tells that nobody of targets has room for a message of size bytes. Where only some have none, the others get
// theirs at once and these when they have made room.
func (l *Local) full(targets []address.Target, size int64) bool {
	for _, t := range targets {
		if t.Account == "" || !errors.Is(l.Mailboxes.Room(t.Account, size), mailbox.ErrOverQuota) {
			return false
		}
	}
	return len(targets) > 0
}
