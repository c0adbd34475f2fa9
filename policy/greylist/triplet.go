package greylist

import (
	"crypto/sha256"
	"net/netip"
	"strings"
)

// triplet is what greylisting knows mail by.
type triplet struct {
	network           netip.Prefix
	sender, recipient string
}

func newTriplet(network netip.Prefix, a *Attempt) triplet {
	return triplet{network, steady(fold(a.Sender)), fold(a.Recipient.String())}
}

// networkOf returns the network that a client is taken for: /24 for IPv4 and /64 for IPv6, since
// large senders try again from a neighbour. It is invalid if the address is.
func networkOf(client netip.Addr) netip.Prefix {
	client = client.Unmap().WithZone("")
	bits := 64
	if client.Is4() {
		bits = 24
	}
	p, err := client.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// fold returns an address without case.
func fold(address string) string { return strings.ToLower(address) }

// steady returns a sender without what its host changes from message to message: the extension that
// names the recipient or a number (VERP), the tag and time of BATV and of SRS. Otherwise a mailing list
// would be new each time. Digits become "#".
func steady(sender string) string {
	at := strings.LastIndexByte(sender, '@')
	if at < 0 {
		return sender // the null sender
	}
	local, domain := sender[:at], sender[at:]
	switch {
	case strings.HasPrefix(local, "prvs="): // prvs=tag=user
		if _, user, ok := strings.Cut(local[len("prvs="):], "="); ok {
			local = user
		}
	case strings.HasPrefix(local, "srs0"), strings.HasPrefix(local, "srs1"):
		return "srs" + domain
	}
	if plus := strings.IndexByte(local, '+'); plus > 0 {
		local = local[:plus]
	}
	if strings.ContainsAny(local, "0123456789") {
		local = hideDigits(local)
	}
	return local + domain
}

// hideDigits writes "#" for each run of digits.
func hideDigits(s string) string {
	var b strings.Builder
	run := false
	for i := range len(s) {
		digit := s[i] >= '0' && s[i] <= '9'
		switch {
		case !digit:
			b.WriteByte(s[i])
		case !run:
			b.WriteByte('#')
		}
		run = digit
	}
	return b.String()
}

// key is what a record is kept under: a hash, so that keys are short and a key chosen at random hits
// each record alike.
type key [16]byte

func keyOf(s string) key {
	sum := sha256.Sum256([]byte(s))
	return key(sum[:16])
}

func (t *triplet) key() key { return keyOf(strings.Join(t.names(), "\x00")) }

func (t *triplet) names() []string { return []string{t.network.String(), t.sender, t.recipient} }
