package limit

import (
	"fmt"
	"net/netip"
	"strings"
)

// Who is the subjects that an event belongs to. What is empty is not counted: the null sender, a
// client on a local socket, one who has not logged in.
type Who struct {
	Client     netip.Addr
	Credential string
	Tenant     string
	Sender     string // the address without brackets
	Domain     string // of the one recipient
	Listener   string
	// Own is the credential's own limits, which take the place of those for all credentials that count
	// the same.
	Own *Own
}

// name returns a subject's name, "" if it does not take part. That of a client is made only when it
// is needed.
func (w *Who) name(s Subject) string {
	switch s {
	case Client:
		if w.Client.IsValid() {
			return clientName(site(w.Client))
		}
		return ""
	case Credential:
		return w.Credential
	case Tenant:
		return w.Tenant
	case Sender:
		return fold(s, w.Sender)
	case Listener:
		return w.Listener
	default:
		return fold(s, w.Domain)
	}
}

// fold makes names that differ in case one, where the case is the client's to choose.
func fold(s Subject, name string) string {
	if s == Sender || s == Domain {
		return strings.ToLower(name)
	}
	return name
}

// site is what an address counts for: one customer's network is an IPv6 /64.
func site(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits) // fails for an invalid address alone, and is invalid then
	return p
}

func clientName(p netip.Prefix) string {
	if p.Addr().Is4() {
		return p.Addr().String()
	}
	return p.String()
}

// parseClient reads an address, or a network as clientName writes it.
func parseClient(name string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(name); err == nil {
		return site(addr), nil
	}
	p, err := netip.ParsePrefix(name)
	if err == nil && p.Masked() != site(p.Addr()) {
		err = fmt.Errorf("clients are counted as %s", site(p.Addr()))
	}
	return p.Masked(), err
}
