package inbound

import (
	"context"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

// Sender tells whether the return path's domain takes mail, so that a report could be returned.
type Sender struct {
	// Value is Pass; Policy for a null MX (RFC 7505); Fail without any host; TempError; None for the null return path
	// and for an address literal.
	Value  Value
	Domain string
}

// Sender looks for the hosts of the return path's domain within the configured time. Check does not.
func (c *Checker) Sender(ctx context.Context, mailFrom string) Sender {
	domain, err := message.ParseDomain(mailFrom[strings.LastIndexByte(mailFrom, '@')+1:], true)
	if err != nil || domain[0] == '[' {
		return Sender{Value: None}
	}
	p := withPatience(ctx, c.cfg.Timeout)
	defer p.end()
	res := Sender{Domain: domain}
	mx, err := c.cfg.Resolver.LookupMX(p, domain)
	switch {
	case err != nil && isMissing(err):
		res.Value = Fail
		return res
	case err != nil:
		res.Value = TempError
		return res
	case len(mx) == 1 && strings.TrimSuffix(mx[0].Host, ".") == "":
		res.Value = Policy
		return res
	case len(mx) > 0:
		res.Value = Pass
		return res
	}
	addrs, err := c.cfg.Resolver.LookupIP(p, "ip", domain)
	switch {
	case len(addrs) > 0:
		res.Value = Pass
	case err == nil || isMissing(err):
		res.Value = Fail
	default:
		res.Value = TempError
	}
	return res
}

// DecideSender returns what is to be done about a return path before there is a recipient.
func (c *Checker) DecideSender(s Sender) Decision {
	d := Decision{Action: ActionNone}
	switch s.Value {
	case Policy:
		d.add(c.cfg.Actions.NullMX, "sender=nullmx", refusal(27, "the sender's domain "+s.Domain+" takes no mail (null MX)"))
	case Fail:
		status := message.Status{Code: 550, Enhanced: message.EnhancedCode{5, 1, 8},
			Text: "the sender's domain " + s.Domain + " does not exist or has no mail server"}
		d.add(c.cfg.Actions.UnknownSender, "sender=unknown", status)
	}
	return d
}
