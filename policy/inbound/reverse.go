package inbound

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
)

// maxReverseNames bounds the names of one address that are looked into.
const maxReverseNames = 10

// Reverse is the name of an address that leads back to the address ("iprev", RFC 8601 2.7.3).
type Reverse struct {
	Value Value  // Pass, Fail, TempError; PermError when the address has no name at all
	Name  string // the proven one
	// Claimed is the first name that the address has, proven or not.
	Claimed string
}

func (c *Checker) reverse(ctx context.Context, addr netip.Addr) Reverse {
	names, err := c.cfg.Resolver.LookupAddr(ctx, addr)
	switch {
	case err != nil && !isMissing(err):
		return Reverse{Value: TempError}
	case len(names) == 0:
		return Reverse{Value: PermError}
	}
	res := Reverse{Value: Fail, Claimed: names[0]}
	for _, name := range names[:min(len(names), maxReverseNames)] {
		addrs, err := c.cfg.Resolver.LookupIP(ctx, networkOf(addr), name)
		if err != nil && !isMissing(err) {
			res.Value = TempError
		}
		if slices.Contains(addrs, addr) {
			return Reverse{Value: Pass, Name: name, Claimed: res.Claimed}
		}
	}
	return res
}

// networkOf returns the family of addr as LookupIP has it.
func networkOf(addr netip.Addr) string {
	if addr.Is4() {
		return "ip4"
	}
	return "ip6"
}

// isMissing tells whether err says that a name does not exist.
func isMissing(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsNotFound && !e.IsTemporary && !e.IsTimeout
}
