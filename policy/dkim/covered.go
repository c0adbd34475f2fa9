package dkim

import (
	"fmt"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

// Each covered field name is listed in h= once more often than the message has such fields, so that
// a field put in later breaks the signature (RFC 6376 5.4.2, 8.15): a verifier that reads a second
// From, or a List-Unsubscribe of somebody else, would otherwise vouch for it.
//
// Sealed fields are listed even where the message has none. They are what a reader is shown, where
// an answer goes, and how the body is read.
var sealed = []string{
	"from", "reply-to", "to", "cc", "subject",
	"mime-version", "content-type", "content-transfer-encoding",
}

// The fields of whenPresent are listed only if the message has them: a later host may rightly put
// in what is missing, as a server does with Date and Message-ID, and a mailing list that leaves the
// rest alone with List-*. The list and feedback fields are what receivers of bulk mail want covered
// (RFC 8058 4 wants it of both List-Unsubscribe fields).
var whenPresent = []string{
	"date", "message-id", "sender", "in-reply-to", "references",
	"list-id", "list-unsubscribe", "list-unsubscribe-post", "list-help", "list-owner",
	"list-post", "list-archive", "list-subscribe", "feedback-id",
	"auto-submitted", "precedence", "importance", "autocrypt", "openpgp",
	"content-id", "content-description", "content-disposition", "content-language",
	"require-recipient-valid-since", "tls-required",
}

// Fields of resent are listed as often as they are there: a message may be resent again, which puts
// another block of them on top (RFC 5322 3.6.6).
var resent = []string{
	"resent-from", "resent-sender", "resent-to", "resent-cc", "resent-date", "resent-message-id",
}

// Never covered: what changes on the way or is taken out (RFC 6376 5.4.1), and signatures, which
// stand for themselves.
var transient = []string{
	"received", "return-path", "delivered-to", "authentication-results", "bcc", "resent-bcc",
	"dkim-signature", "arc-seal", "arc-message-signature", "arc-authentication-results",
}

// longestName bounds the names that are looked up; a longer name is nobody's.
const longestName = 40

// coverage says which fields are signed, in the order in which h= lists them.
type coverage struct {
	names []string       // lower case
	slot  map[string]int // the index in names
	// Of names: the first nSealed are sealed, those from firstResent on are listed without one more.
	nSealed, firstResent int
}

// newCoverage adds the names of also to those that are covered when present.
func newCoverage(also []string) (*coverage, error) {
	c := &coverage{slot: make(map[string]int), nSealed: len(sealed)}
	add := func(name string) {
		if _, known := c.slot[name]; !known {
			c.slot[name] = len(c.names)
			c.names = append(c.names, name)
		}
	}
	for _, group := range [][]string{sealed, whenPresent} {
		for _, name := range group {
			add(name)
		}
	}
	for _, name := range also {
		name = strings.ToLower(name)
		if err := checkCovered(name); err != nil {
			return nil, err
		}
		add(name)
	}
	c.firstResent = len(c.names)
	for _, name := range resent {
		add(name)
	}
	return c, nil
}

func checkCovered(name string) error {
	f := message.Field{NameEnd: len(name)}
	for got := range message.Fields([]byte(name + ":\r\n")) {
		f = got
	}
	switch {
	case name == "" || f.End != len(name)+3 || f.NameEnd != len(name):
		return fmt.Errorf("dkim: %q is no name of a header field", name)
	case strings.ContainsRune(name, ';'):
		return fmt.Errorf("dkim: a signature cannot list the field name %q", name)
	case len(name) > longestName:
		return fmt.Errorf("dkim: field name %q is longer than %d characters", name, longestName)
	}
	for _, other := range transient {
		if name == other {
			return fmt.Errorf("dkim: the field %s may change on its way and cannot be signed", name)
		}
	}
	return nil
}

// slotOf returns the place of a field name in names, -1 if it is not covered.
func (c *coverage) slotOf(name []byte) int {
	var lower [longestName]byte
	if len(name) > len(lower) {
		return -1
	}
	for i, b := range name {
		if 'A' <= b && b <= 'Z' {
			b |= 0x20
		}
		lower[i] = b
	}
	if slot, ok := c.slot[string(lower[:len(name)])]; ok {
		return slot
	}
	return -1
}

// extra tells how much more often than it is there a field is listed.
func (c *coverage) extra(slot, there int) int {
	switch {
	case slot >= c.firstResent, there == 0 && slot >= c.nSealed:
		return 0
	default:
		return 1
	}
}
