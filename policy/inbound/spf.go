package inbound

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"blitiri.com.ar/go/spf"

	"github.com/posthaste-mta/posthaste/message"
)

// SPF tells whether the return path's domain lets the client send (RFC 7208).
type SPF struct {
	Value Value
	// Domain is the one that was looked at: of the return path, or the HELO name where that is null (HELO is true
	// then). It is empty when there is none.
	Domain string
	HELO   bool
	Reason string
}

// SPF checks the return path of a session within the configured time. Check calls it by itself if nobody
// did before.
func (c *Checker) SPF(ctx context.Context, s Session) SPF {
	q, res := askSPF(s)
	if q.domain == "" {
		return res
	}
	now := c.cfg.Now()
	if k, ok := c.spf.Get(q.spfKey); ok && now.Before(k.until) {
		res.Value, res.Reason = k.what.value, k.what.reason
		return res
	}
	p := withPatience(ctx, c.cfg.Timeout)
	defer p.end()
	dns := &spfResolver{Resolver: c.cfg.Resolver, addr: q.addr}
	value, err := spf.CheckHostWithSender(net.IP(q.addr.AsSlice()), s.HELO, q.sender(), spf.WithContext(p), spf.WithResolver(dns))
	res.Value = Value(value)
	if err != nil && (value == spf.PermError || value == spf.TempError) {
		res.Reason = reason(err)
	}
	if value != spf.TempError && !dns.macros {
		c.spf.Put(q.spfKey, kept[spfVerdict]{spfVerdict{res.Value, res.Reason}, now.Add(keepFor)})
	}
	return res
}

// KnownSPF is SPF for a session about which nobody needs to be asked; ok is false for others.
func (c *Checker) KnownSPF(s Session) (res SPF, ok bool) {
	q, res := askSPF(s)
	if q.domain == "" {
		return res, true
	}
	k, ok := c.spf.Get(q.spfKey)
	if !ok || !c.cfg.Now().Before(k.until) {
		return SPF{}, false
	}
	res.Value, res.Reason = k.what.value, k.what.reason
	return res, true
}

// spfKey is what a verdict hangs on if the records have no macros, which bring in the rest of the sender and the HELO name.
type spfKey struct {
	addr   netip.Addr
	domain string
}

type spfVerdict struct {
	value  Value
	reason string
}

// spfQuestion is what is asked about a session.
type spfQuestion struct {
	spfKey
	local string
}

// sender returns the address that is asked about. The library cuts it at the first at sign, which in a quoted local part is not
// the last.
func (q *spfQuestion) sender() string { return strings.ReplaceAll(q.local, "@", "_") + "@" + q.domain }

// askSPF returns the question, and as much of the answer as it has. Without a domain in the question that is all.
func askSPF(s Session) (q spfQuestion, res SPF) {
	local, domain := "postmaster", s.HELO
	if s.MailFrom != "" {
		at := strings.LastIndexByte(s.MailFrom, '@')
		local, domain = s.MailFrom[:max(at, 0)], s.MailFrom[at+1:]
	}
	res = SPF{Value: None, HELO: s.MailFrom == ""}
	domain, err := message.ParseDomain(strings.TrimSuffix(domain, "."), true)
	if err != nil || domain[0] == '[' || !strings.Contains(domain, ".") {
		res.Reason = "no domain to look at" // RFC 7208 4.3
		return q, res
	}
	res.Domain = domain
	if !s.Addr.IsValid() {
		res.Reason = "no client address"
		return q, res
	}
	return spfQuestion{spfKey{s.Addr.Unmap().WithZone(""), domain}, local}, res
}
