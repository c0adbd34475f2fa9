package message

import "errors"

// ErrBadAddress is wrapped by every error of ParseAddress and ParseDomain.
var ErrBadAddress = errors.New("message: bad address")

// Address is a Mailbox of RFC 5321 4.1.2.
type Address struct {
	// Local is the local part as it was written, with its quotes.
	Local string
	// Domain is in lower case and as A-labels, or an address literal in brackets.
	Domain string
}

// ParseAddress reads a Mailbox without angle brackets.
func ParseAddress(s string, utf8 bool) (Address, error) { return Address{}, ErrBadAddress }

// ParseDomain reads a domain or an address literal in brackets and returns it in the form of
// Address.Domain.
func ParseDomain(s string, utf8 bool) (string, error) { return "", ErrBadAddress }

// String returns the address as it stands in a path.
func (a Address) String() string { return a.Local + "@" + a.Domain }

// DomainOf returns the domain of an address that has been checked before, in lower case.
func DomainOf(addr string) string { return "" }
