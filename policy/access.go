package policy

import (
	"net/netip"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

// Access says who may send mail where. The zero value lets nobody.
type Access struct {
	// RelayNetworks may send to any domain.
	RelayNetworks []netip.Prefix
	// RelayDomains are taken from anyone.
	RelayDomains DomainSet
	// Recipients are those that there are in RelayDomains; nil if nobody has said.
	Recipients *Recipients
}

// DefaultAccess lets this machine send anywhere and nobody else.
func DefaultAccess() Access {
	return Access{RelayNetworks: []netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
}

// Trusted tells whether the client may send to any domain.
func (a *Access) Trusted(client netip.Addr) bool {
	client = client.Unmap().WithZone("") // a dual-stack listener shows 127.0.0.1 as ::ffff:127.0.0.1
	for _, p := range a.RelayNetworks {
		if p.Contains(client) {
			return true
		}
	}
	return false
}

// Unknown tells that the address is in a domain that we take mail for and that nobody has it. To refuse it at once saves
// the sender of a forged address from our bounce.
func (a *Access) Unknown(to message.Address) bool {
	return a.RelayDomains.Has(to.Domain) && !a.Recipients.Has(to)
}

// MayRelay tells whether the client may send to this address. From a stranger an address that asks
// the next host to route on (user%other@here, other!user@here, "user@other"@here; RFC 2505 2.1) is
// not taken even at a relay domain: that host may trust us more than it would trust the client.
func (a *Access) MayRelay(client netip.Addr, to message.Address) bool {
	if a.Trusted(client) {
		return true
	}
	return a.RelayDomains.Has(to.Domain) && !strings.ContainsAny(to.Local, "%!@")
}
