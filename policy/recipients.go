package policy

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

// Recipients are the addresses that there are in domains that we take mail for and do not deliver to ourselves. A nil
// one knows none and refuses none.
type Recipients struct {
	known map[string]struct{} // addresses, or "@domain" for all in it
}

// ParseRecipients reads one address a line, or "@example.com" for all of a domain. What follows "#" is a comment. An
// error names the line.
func ParseRecipients(r io.Reader) (*Recipients, error) {
	known := make(map[string]struct{})
	lines := bufio.NewScanner(r)
	n := 0
	for lines.Scan() {
		n++
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		key, err := recipientKey(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %q: %s", n, message.CleanLine(text, 100), strings.TrimPrefix(err.Error(), "message: "))
		}
		known[key] = struct{}{}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	return &Recipients{known}, nil
}

func recipientKey(text string) (string, error) {
	if domain, whole := strings.CutPrefix(text, "@"); whole {
		domain, err := message.ParseDomain(domain, true)
		return "@" + domain, err
	}
	a, err := message.ParseAddress(text, true)
	return strings.ToLower(a.Local) + "@" + a.Domain, err
}

// Len returns how many lines there were that say something.
func (r *Recipients) Len() int {
	if r == nil {
		return 0
	}
	return len(r.known)
}

// Has tells whether the address is known, with or without what follows a "+" in its local part. Case does not count:
// hosts where it does are rare, and a refusal for its sake loses mail. Every domain has a postmaster (RFC 5321 4.5.1).
func (r *Recipients) Has(a message.Address) bool {
	if r == nil {
		return true
	}
	local := strings.ToLower(a.Local)
	if r.has(local+"@"+a.Domain) || r.has("@"+a.Domain) || local == "postmaster" {
		return true
	}
	base, _, tagged := strings.Cut(local, "+")
	return tagged && base != "" && r.has(base+"@"+a.Domain)
}

func (r *Recipients) has(key string) bool {
	_, ok := r.known[key]
	return ok
}
