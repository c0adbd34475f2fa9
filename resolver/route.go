package resolver

import (
	"net/netip"
	"time"
)

// Route is where the mail of one domain goes.
type Route struct {
	// Domain is the domain asked for.
	Domain string
	// Site names the receiving system: domains with the same set of MX hosts have the same Site. At
	// most 128 bytes, printable ASCII.
	Site string
	// Hosts are to be tried in this order; never empty. The slice and what it points to may be shared
	// with other callers: read only.
	Hosts []Host
	Kind  Kind
	// LMTP tells that the hosts speak LMTP (RFC 2033) and not SMTP.
	LMTP bool
	// Cached tells that no server was asked for this call, Stale that an answer past its end was used
	// because the servers failed (RFC 8767).
	Cached, Stale bool
	// Expires is when the route will be worked out anew.
	Expires time.Time
	// Authentic tells that the server vouched by DNSSEC for the records that name the hosts (RFC 4035 3.2.3).
	Authentic bool
}

// Host is one receiving host.
type Host struct {
	// Name is the host's name, or an address literal in brackets.
	Name string
	// Preference is that of the MX record; 0 for hosts that no MX record named.
	Preference uint16
	// Addrs are to be tried in this order; never empty.
	Addrs []netip.AddrPort
	// Socket is the path of a Unix socket; "" for all hosts but those. Addrs then holds one zero AddrPort.
	Socket string
	// Authentic tells that the server vouched by DNSSEC for the host's addresses.
	Authentic bool
}

// Kind tells by what rule a route was found.
type Kind uint8

const (
	KindMX        Kind = iota // the domain's MX records
	KindImplicit              // no MX record: the domain's own addresses (RFC 5321 5.1)
	KindStatic                // a static route
	KindSmartHost             // the smart host
	KindLiteral               // an address literal (RFC 5321 4.1.3)
	KindLocal                 // mailboxes of our own; the relay makes such routes, nothing is looked up for them
)

// String returns the kind's name in logs and in what Explain prints.
func (k Kind) String() string {
	switch k {
	case KindImplicit:
		return "implicit"
	case KindStatic:
		return "static"
	case KindSmartHost:
		return "smarthost"
	case KindLiteral:
		return "literal"
	case KindLocal:
		return "local"
	default:
		return "mx"
	}
}
