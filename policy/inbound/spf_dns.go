package inbound

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

// maxSPFRecord bounds a TXT record that is looked at, in octets. RFC 7208 3.4 recommends 450; the library's
// work grows with the square of some parts.
const maxSPFRecord = 8 << 10

// spfResolver is what the library asks. Its errors are bare *net.DNSError.
type spfResolver struct {
	Resolver
	addr   netip.Addr // of the client
	macros bool       // some record may have had one
}

func (r *spfResolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	texts, err := r.Resolver.LookupTXT(ctx, name)
	if err != nil {
		return nil, bare(err, name)
	}
	for _, t := range texts {
		if len(t) > maxSPFRecord && strings.HasPrefix(t, "v=spf1") {
			return nil, &net.DNSError{Err: "SPF record is too long", Name: name}
		}
		r.macros = r.macros || strings.Contains(t, "%")
	}
	return texts, nil
}

func (r *spfResolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	mx, err := r.Resolver.LookupMX(ctx, name)
	return mx, bare(err, name)
}

// LookupIPAddr asks for the client's own family (RFC 7208 5.3). For a client of IPv6 it asks for both, since
// it is not told apart from "exists", which looks for A records (RFC 7208 5.7).
func (r *spfResolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	network := "ip"
	if r.addr.Is4() {
		network = "ip4"
	}
	addrs, err := r.Resolver.LookupIP(ctx, network, host)
	if err != nil {
		return nil, bare(err, host)
	}
	out := make([]net.IPAddr, len(addrs))
	for i, a := range addrs {
		out[i] = net.IPAddr{IP: a.AsSlice()}
	}
	return out, nil
}

func (r *spfResolver) LookupAddr(ctx context.Context, _ string) ([]string, error) {
	names, err := r.Resolver.LookupAddr(ctx, r.addr)
	return names, bare(err, r.addr.String())
}

// bare returns err as the *net.DNSError that libraries look for without unwrapping.
func bare(err error, name string) error {
	if err == nil {
		return nil
	}
	var e *net.DNSError
	if errors.As(err, &e) {
		return e
	}
	return &net.DNSError{
		UnwrapErr: err, Err: err.Error(), Name: name, IsTemporary: true,
		IsTimeout: errors.Is(err, context.DeadlineExceeded),
	}
}

// maxReason bounds what is told of a failure, in octets.
const maxReason = 120

// reason returns err as words for a header field or a reply.
func reason(err error) string {
	var e *net.DNSError
	if errors.As(err, &e) && (e.IsTemporary || e.IsTimeout) {
		return "DNS lookup failed for now" // which server, and how, is nobody's business out there
	}
	return message.CleanLine(err.Error(), maxReason)
}
