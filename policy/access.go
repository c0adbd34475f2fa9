package policy

import "net/netip"

// Access says who may send mail where.
type Access struct {
	// RelayNetworks may send to any domain.
	RelayNetworks []netip.Prefix
	// RelayDomains are taken from anyone: lower-case A-labels, or ".suffix" for all below it.
	RelayDomains []string
}

// MayRelay tells whether the client may send to domain.
func (a *Access) MayRelay(client netip.Addr, domain string) bool { return false }

// Trusted tells whether the client may send to any domain.
func (a *Access) Trusted(client netip.Addr) bool { return false }
