package milter

import (
	"net/netip"
)

// Session is what is known of the client that brought a message. Empty means not known, or not so. Messages with
// the same Session may share a connection to the filter, one after the other.
type Session struct {
	Listener   string         // the macro {daemon_name}
	ClientAddr netip.AddrPort // invalid for mail that did not come over IP
	LocalAddr  netip.AddrPort
	ClientName string // of ClientAddr, confirmed forwards; empty is told as "[address]"
	HELO       string
	TLSVersion string // such as TLSv1.3
	TLSCipher  string
	TLSBits    int
	AuthName   string
	AuthType   string // the SASL mechanism
}

// Message is what a filter is shown.
type Message struct {
	Session
	QueueID    string
	Sender     string // "" is the null sender
	Recipients []string
	UTF8       bool // addresses may be internationalised (RFC 6531)
	// Content has CRLF line ends. It is not changed. Filters count the Received field of the host they work for as
	// the first; it is to be written after the scan, so Content starts behind it.
	Content []byte
}
