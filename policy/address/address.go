// Package address tells which mailboxes, and which addresses elsewhere, are behind an address of a local domain.
package address

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/posthaste-mta/posthaste/message"
)

// Bounds on what one address can lead to: a mistake in the aliases must not make a flood of one message.
const (
	MaxTargets = 1000 // addresses behind one, in the end
	maxDepth   = 16   // aliases that lead to each other, in a row
)

// Errors of New, wrapped in an *AliasError where an alias is to blame.
var (
	ErrLoop    = errors.New("leads back to itself")
	ErrDeep    = fmt.Errorf("leads over more than %d aliases in a row", maxDepth)
	ErrMany    = fmt.Errorf("leads to more than %d addresses", MaxTargets)
	ErrForeign = errors.New("is not in a local domain")
	ErrTwice   = errors.New("is there already")
	ErrEmpty   = errors.New("leads nowhere")
)

// Config is what is known of local addresses beside the mailboxes.
type Config struct {
	// Domains are ours: each address in them is a mailbox, an alias, or unknown.
	Domains []string
	// Tag is the one character that separates a local part from a tag, such as "+" in ann+shop@example.com, whose
	// mail goes to ann@example.com. "" is no tags.
	Tag     string
	Aliases []Alias
	// Postmaster is who gets the mail for postmaster in a local domain that has no mailbox or alias of that name
	// (RFC 5321 4.5.1). "": nobody.
	Postmaster string
}

// Alias sends the mail of an address to others.
type Alias struct {
	// Address is in a local domain; "@example.com" stands for all of it that is neither a mailbox nor an alias.
	Address string
	// To are addresses anywhere. The alias itself among them stands for the mailbox of that name.
	To []string
}

// AliasError is what is wrong with an alias.
type AliasError struct {
	Alias  int // index in Config.Aliases
	Target int // index in its To; -1: the fault is not with one of them
	Err    error
}

// Error implements error.
func (e *AliasError) Error() string {
	return fmt.Sprintf("address: alias %d: %v", e.Alias+1, e.Err)
}

// Unwrap returns what is wrong, without where.
func (e *AliasError) Unwrap() error { return e.Err }

// Name returns what an address is compared by, and what an account is called: the local part in lower case (hosts
// where case counts are rare, and mail that is refused for its sake is lost), composed (NFC: keyboards differ in how
// they write an umlaut) and without quotes that it does not need.
func Name(a message.Address) string {
	local := a.Local
	if strings.HasPrefix(local, `"`) {
		local = bare(local)
	}
	return norm.NFC.String(strings.ToLower(local)) + "@" + a.Domain
}

// bare returns a quoted local part without its quotes, or, if it cannot be without, with the fewest backslashes.
func bare(quoted string) string {
	var text, again strings.Builder
	for i := 1; i < len(quoted)-1; i++ {
		if quoted[i] == '\\' && i < len(quoted)-2 {
			i++
		}
		text.WriteByte(quoted[i])
		if quoted[i] == '"' || quoted[i] == '\\' {
			again.WriteByte('\\')
		}
		again.WriteByte(quoted[i])
	}
	if a, err := message.ParseAddress(text.String()+"@a.test", true); err == nil && a.Local == text.String() && a.Local[0] != '"' {
		return a.Local
	}
	return `"` + again.String() + `"`
}

// ParseName reads an address as people write it and returns its Name and its domain.
func ParseName(s string) (name, domain string, err error) {
	a, err := message.ParseAddress(s, true)
	if err != nil {
		return "", "", err
	}
	return Name(a), a.Domain, nil
}

// untagged returns a name without its tag; "" if there is none, or nothing before it. Quotes stay closed.
func untagged(name, tag string) string {
	if tag == "" {
		return ""
	}
	at := strings.LastIndexByte(name, '@')
	i := strings.Index(name[:at], tag)
	switch {
	case i < 1 || name[:i] == `"` || name[i-1] == '.': // a dot ends no local part
		return ""
	case name[0] != '"':
		return name[:i] + name[at:]
	default:
		return bare(name[:i]+`"`) + name[at:]
	}
}
