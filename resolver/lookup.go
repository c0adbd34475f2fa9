package resolver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"
)

// The Lookup methods answer what policy asks of the DNS about those who send to us. They share neither
// cache nor slots with the routes of our own mail: strangers choose these names, and a crowd of slow
// or useless ones must not take the place of the domains that we deliver to.
//
// A name that does not exist is a *net.DNSError with IsNotFound. A name that has no record of
// the type is an empty answer without error. When nobody could answer, or ctx has ended, it is a
// *net.DNSError with IsTemporary, and IsTimeout where time ran out. The errors are not wrapped: SPF and DKIM
// libraries look at the bare type. Results belong to the cache and must not be changed.

// LookupTXT returns the TXT records of name, the strings of each joined (RFC 7208 3.3, RFC 6376 3.6.2.2).
func (r *Resolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	a, err := r.ask(ctx, name, dns.TypeTXT, true)
	return a.texts, err
}

// LookupMX returns the MX records of name, the most preferred first. The host of a null MX is ".".
func (r *Resolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	a, err := r.ask(ctx, name, dns.TypeMX, true)
	if err != nil {
		return nil, err
	}
	out := make([]*net.MX, len(a.mx))
	for i, mx := range a.mx {
		out[i] = &net.MX{Host: mx.host + ".", Pref: mx.preference}
	}
	return out, nil
}

// LookupIP returns the addresses of host: of network "ip4", "ip6" or, for both, "ip".
func (r *Resolver) LookupIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	switch network {
	case "ip4":
		a, err := r.ask(ctx, host, dns.TypeA, true)
		return a.addrs, err
	case "ip6":
		a, err := r.ask(ctx, host, dns.TypeAAAA, true)
		return a.addrs, err
	case "ip":
		return r.lookupBoth(ctx, host)
	}
	return nil, &net.DNSError{Err: "unknown network " + network, Name: host}
}

// lookupBoth asks for both families at once. The name does not exist when either answer says so.
func (r *Resolver) lookupBoth(ctx context.Context, host string) ([]netip.Addr, error) {
	var group errgroup.Group
	var v4, v6 *answer
	var err4, err6 error
	group.Go(func() error { v4, err4 = r.ask(ctx, host, dns.TypeA, true); return nil })
	v6, err6 = r.ask(ctx, host, dns.TypeAAAA, true)
	group.Wait()
	for _, err := range []error{err4, err6} {
		if err != nil {
			return nil, err
		}
	}
	return slices.Concat(v4.addrs, v6.addrs), nil
}

// LookupAddr returns the names that addr has in the reverse zones: unproven, in lower case, without
// final dot, and host names all of them.
func (r *Resolver) LookupAddr(ctx context.Context, addr netip.Addr) ([]string, error) {
	name, err := dns.ReverseAddr(addr.Unmap().WithZone("").String())
	if err != nil {
		return nil, &net.DNSError{Err: "not an address", Name: addr.String(), IsNotFound: true}
	}
	a, err := r.ask(ctx, name, dns.TypePTR, true)
	return a.texts, err
}

// LookupListed returns the A records of name, which belongs to a list such as those of RFC 5782. Unlike the
// other methods it never serves what is past its end: nobody stays on a list because the list is dead.
func (r *Resolver) LookupListed(ctx context.Context, name string) ([]netip.Addr, error) {
	a, err := r.ask(ctx, name, dns.TypeA, false)
	return a.addrs, err
}

// ask looks up the records of name. The answer is never nil; the error is nil or a *net.DNSError.
func (r *Resolver) ask(ctx context.Context, name string, qtype uint16, stale bool) (*answer, error) {
	asked, ok := askable(name)
	if !ok {
		return new(answer), &net.DNSError{Err: "not a name that can be in the DNS", Name: name, IsNotFound: true}
	}
	if addr, ok := localhost(question{asked, qtype}); ok && (qtype == dns.TypeA || qtype == dns.TypeAAAA) {
		return &answer{addrs: []netip.Addr{addr}}, nil
	}
	res, err := r.lookups.lookup(ctx, question{asked, qtype})
	switch {
	case err != nil:
		return new(answer), temporary(name, "", err)
	case res.outcome == failed:
		return new(answer), temporary(name, res.server, res.err)
	case res.stale && !stale:
		return new(answer), temporary(name, res.server, errStale)
	case res.outcome == noName:
		return new(answer), &net.DNSError{Err: "no such name", Name: name, Server: res.server, IsNotFound: true}
	}
	return res.answer, nil
}

var errStale = errors.New("the servers have no answer that is still good")

// temporary returns the error of a question that nobody answered.
func temporary(name, server string, err error) *net.DNSError {
	return &net.DNSError{
		UnwrapErr: err, Err: err.Error(), Name: name, Server: server, IsTemporary: true,
		IsTimeout: isTimeout(err) || errors.Is(err, context.DeadlineExceeded),
	}
}
