package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"time"

	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/address"
	"github.com/posthaste-mta/posthaste/resolver"
	"github.com/posthaste-mta/posthaste/smtp"
)

// localSite is the name of the site that all local domains share.
const localSite = "local"

// localRoute is where the mail of a local domain goes. Nothing is looked up for it, and it holds as long as the policy.
func localRoute(domain string) resolver.Route {
	return resolver.Route{Domain: domain, Site: localSite, Kind: resolver.KindLocal, Cached: true}
}

// localPeer is what a worker of the local lane has instead of a connection.
func (c *connector) localPeer() *peer {
	facts := c.facts()
	facts.host, facts.protocol, facts.final = localSite, "local", true
	secure := true // nothing is on its way to anybody
	return &peer{client: &localCarrier{relay: c.relay}, host: localSite, facts: facts, again: facts, verified: &secure}
}

// localCarrier puts messages into mailboxes. A worker has one message at a time there; the workers of the lane, up to its
// limit of connections, share the store's syncs.
//
// The store delivers a copy once for each queue id and address, however often it is asked. So what it did and we did not
// hear or record is done again without harm.
type localCarrier struct {
	relay *Relay
	err   error // the store does not work
}

// Send puts one message into the mailboxes of its recipients. A store that fails ends the carrier, and so suspends the
// lane; the mail waits.
func (c *localCarrier) Send(ctx context.Context, tx *smtp.Transaction, _ func() *smtp.Transaction) smtp.Result {
	start := time.Now()
	result := smtp.Result{Recipients: make([]message.Status, len(tx.Recipients)), Trace: smtp.Trace{Start: start}}
	c.err = c.deliver(ctx, tx, result.Recipients)
	result.Err, result.Trace.FinalAt = c.err, time.Since(start)
	return result
}

// deliver sets the recipients' statuses. After an error those who have none are due as before.
func (c *localCarrier) deliver(ctx context.Context, tx *smtp.Transaction, statuses []message.Status) error {
	local := c.relay.policy.Load().Local
	if local == nil { // a new policy has taken them away; it has the domain routed anew
		failed := storeFailed("there are none any more")
		for i := range statuses {
			statuses[i] = failed
		}
		return failed
	}
	// A Return-Path that came along is somebody else's, and would be read as ours (RFC 5321 4.4).
	content := message.RemoveFields(tx.Content, "Return-Path")
	d := mailbox.Delivery{ID: tx.Envelope.ID.String(), Content: content, Copies: make([]mailbox.Copy, 0, len(statuses))}
	whose := make([]int, 0, len(statuses)) // parallel to d.Copies: the recipient's index
	passed := passedThrough(tx.Content, "Delivered-To")
	for i := range tx.Recipients {
		one, refused := local.copyFor(tx.Envelope.Sender, tx.Recipients[i].Address, passed)
		if statuses[i] = refused; refused.Code == 0 {
			d.Copies, whose = append(d.Copies, one), append(whose, i)
		}
	}
	if len(d.Copies) == 0 {
		return nil
	}
	errs, err := deliverWithin(ctx, local.Mailboxes, d)
	switch {
	case ctx.Err() != nil && (err != nil || errs == nil):
		return ctx.Err()
	case err != nil:
		failed := storeFailed(err.Error())
		for _, i := range whose {
			statuses[i] = failed
		}
		return failed
	}
	for k, i := range whose {
		statuses[i] = localOutcome(d.Copies[k].Account, errs[k])
	}
	return nil
}

// deliverWithin waits for the store until ctx ends: a disk that hangs must not keep the relay from ending. What is still
// asked of the store then ends with it.
func deliverWithin(ctx context.Context, m Mailboxes, d mailbox.Delivery) ([]error, error) {
	type answer struct {
		errs []error
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		errs, err := m.Deliver(ctx, d)
		done <- answer{errs, err}
	}()
	select {
	case a := <-done:
		return a.errs, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// copyFor makes one recipient's copy, with the fields that the last host writes (RFC 5321 4.4), or tells why there is to
// be none. passed are the addresses whose mailboxes the message has been in.
func (l *Local) copyFor(sender, to string, passed []string) (one mailbox.Copy, refused message.Status) {
	parsed, err := message.ParseAddress(to, true)
	if err != nil {
		return one, noMailbox(to)
	}
	account, ok := l.Addresses.Account(parsed, l.Mailboxes.Has)
	if !ok {
		return one, noMailbox(to)
	}
	name := address.Name(parsed)
	if slices.Contains(passed, name) {
		return one, localStatus(554, message.EnhancedCode{5, 4, 6}, "Mail loop: the message has been delivered to "+to+" before")
	}
	header := make([]byte, 0, len("Return-Path: <>\r\nDelivered-To: \r\n")+len(sender)+len(to))
	header = append(append(append(header, "Return-Path: <"...), sender...), ">\r\n"...)
	header = append(append(append(header, "Delivered-To: "...), to...), "\r\n"...)
	return mailbox.Copy{Account: account, Header: header, Key: name}, message.Status{}
}

// maxPassed bounds the fields of passedThrough that are looked at; a loop shows in the newest, which come first.
const maxPassed = 100

// passedThrough returns the names of the addresses in the fields that tell where the message has been.
func passedThrough(content []byte, field string) (names []string) {
	for f := range message.Fields(content) {
		if !f.Is(content, field) {
			continue
		}
		if a, err := message.ParseAddress(string(f.Value(content)), true); err == nil {
			names = append(names, address.Name(a))
		}
		if len(names) == maxPassed {
			break
		}
	}
	return names
}

// localOutcome is what the store's answer about one copy means.
func localOutcome(account string, err error) message.Status {
	switch {
	case err == nil:
		return localStatus(250, message.EnhancedCode{2, 0, 0}, "Delivered to the mailbox "+account)
	case errors.Is(err, mailbox.ErrNoAccount):
		return noMailbox(account)
	case errors.Is(err, mailbox.ErrOverQuota):
		return localStatus(452, message.EnhancedCode{4, 2, 2}, "The mailbox "+account+" is full")
	case errors.Is(err, mailbox.ErrNUL):
		return localStatus(554, message.EnhancedCode{5, 6, 0}, "The message has a NUL, which no mailbox can keep")
	case errors.Is(err, mailbox.ErrLimit):
		return localStatus(552, message.EnhancedCode{5, 2, 3}, "The message is too large for a mailbox")
	}
	return storeFailed(err.Error())
}

func noMailbox(to string) message.Status {
	return localStatus(550, message.EnhancedCode{5, 1, 1}, "There is no mailbox "+to+" here any more")
}

// storeFailed is what mail is told that waits for the store.
func storeFailed(why string) message.Status {
	return localStatus(451, message.EnhancedCode{4, 3, 0}, "The mailboxes cannot be reached: "+why)
}

// Extensions tells that mailboxes take all there is. Success is ours to report: after them nobody does.
func (c *localCarrier) Extensions() smtp.Extensions {
	return smtp.Extensions{EightBit: true, SMTPUTF8: true, RequireTLS: true}
}

// TLS tells that there is no connection.
func (c *localCarrier) TLS() (state tls.ConnectionState, ok bool) { return state, false }

// CheckIdle tells whether the carrier can still be used.
func (c *localCarrier) CheckIdle() error { return c.err }

// Quit does nothing: there is nobody to take leave of.
func (c *localCarrier) Quit(context.Context) error { return nil }

// Close does nothing.
func (c *localCarrier) Close() error { return nil }
