package resolver

import (
	"net/netip"
	"slices"
)

// closedRange is a range of addresses that no stranger's DNS record may send mail to: whoever
// writes one could make us talk to the machines behind our firewall, or to ourselves.
type closedRange struct {
	prefix netip.Prefix
	what   string
}

// closedRanges are those of the IANA special-purpose registries (RFC 6890) that are not reachable from
// everywhere. The documentation ranges are left out: they lead nowhere, which does no harm.
var closedRanges = []closedRange{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("::/96"), "IPv4-compatible"},
	{netip.MustParsePrefix("100::/64"), "discard-only"},
	{netip.MustParsePrefix("fc00::/7"), "private"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fec0::/10"), "private"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// translated are ranges in which an IPv4 address is packed, which a gateway unpacks (RFC 6052,
// RFC 3056); the number is the byte at which it starts.
var translated = map[netip.Prefix]int{
	netip.MustParsePrefix("64:ff9b::/96"): 12,
	netip.MustParsePrefix("2002::/16"):    2,
}

// reach decides which addresses found in DNS or in a literal may be delivered to.
type reach struct {
	deny, allow []netip.Prefix
}

// refusal returns what addr is, when it must not be delivered to, or "".
func (r reach) refusal(addr netip.Addr) string {
	holds := func(p netip.Prefix) bool { return p.Contains(addr) }
	if slices.ContainsFunc(r.deny, holds) {
		return "denied here"
	}
	if slices.ContainsFunc(r.allow, holds) {
		return ""
	}
	for _, c := range closedRanges {
		if c.prefix.Contains(addr) {
			return c.what
		}
	}
	for p, at := range translated {
		if p.Contains(addr) {
			b := addr.As16()
			return r.refusal(netip.AddrFrom4([4]byte(b[at : at+4])))
		}
	}
	return ""
}
