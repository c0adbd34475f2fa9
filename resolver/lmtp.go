package resolver

import (
	"errors"
	"net/netip"
	"strings"
)

// lmtpPort is where an LMTP server listens that is given without a port. None is registered; this is the private mail
// system's, and Postfix's default too.
const lmtpPort = 24

// maxSocketPath is what fits into the sockaddr_un of every system we run on, in bytes.
const maxSocketPath = 103

// isLMTP tells whether a next hop is, or wants to be, one by LMTP: "lmtp:24" is a host of that name.
func isLMTP(s string) bool {
	rest, ok := strings.CutPrefix(s, "lmtp:")
	return ok && strings.ContainsAny(rest, "/:")
}

// parseLMTP reads a next hop by LMTP.
func parseLMTP(s string) (NextHop, error) {
	path, unix := strings.CutPrefix(s, "lmtp:unix:")
	if !unix {
		path, unix = strings.CutPrefix(s, "lmtp:///")
		path = "/" + path
	}
	if unix {
		return NextHop{LMTP: true, Direct: true, Socket: path}, checkSocket(path)
	}
	at, ok := strings.CutPrefix(s, "lmtp://")
	if !ok {
		return NextHop{}, errors.New("LMTP is lmtp://host:port or lmtp:unix:/path")
	}
	var h NextHop
	if err := h.parse(at); err != nil {
		return NextHop{}, err
	}
	switch h.Port {
	case 0:
		h.Port = lmtpPort
	case 25:
		return NextHop{}, errors.New("LMTP must not be spoken on port 25 (RFC 2033 5)")
	}
	h.LMTP, h.Direct = true, true // a mail store is a host, never a domain with MX records
	return h, nil
}

// checkSocket refuses paths that cannot be a socket's, and those that could not stand in the name of a site.
func checkSocket(path string) error {
	if !strings.HasPrefix(path, "/") {
		return errors.New("the path of a socket begins with a slash")
	}
	if len(path) > maxSocketPath {
		return errors.New("the path of a socket is too long")
	}
	for i := range len(path) {
		if path[i] <= ' ' || path[i] > '~' {
			return errors.New("the path of a socket is printable ASCII without spaces")
		}
	}
	return nil
}

// leadToSocket returns a plan that leads to a Unix socket of this machine.
func (p *planner) leadToSocket(path string) *plan {
	return &plan{expires: p.expires, route: Route{
		Site: "lmtp:unix:" + path, Cached: true, Expires: p.expires,
		Hosts: []Host{{Name: path, Socket: path, Addrs: []netip.AddrPort{{}}}},
	}}
}
