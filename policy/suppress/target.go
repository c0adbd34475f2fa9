package suppress

import (
	"errors"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

var errNoTarget = errors.New("neither an address nor a domain is given")

// ParseTarget reads an address, a domain, or "@" and a domain, and returns it in the form that entries
// are kept by: lower case, the domain as A-labels, no quotes that are not needed. The part before the
// "@" is folded too, although RFC 5321 2.4 would have it kept: no receiver of note tells such mailboxes
// apart, and whoever asked to get no mail meant all of them.
func ParseTarget(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", errNoTarget
	}
	if domain, ok := strings.CutPrefix(s, "@"); ok {
		return message.ParseDomain(domain, true)
	}
	if !strings.Contains(s, "@") {
		return message.ParseDomain(s, true)
	}
	a, err := message.ParseAddress(s, true)
	if err != nil {
		return "", err
	}
	return foldLocal(a.Local) + "@" + a.Domain, nil
}

// foldLocal returns the local part without case and without needless quotes. It allocates only if
// there is something to change.
func foldLocal(local string) string {
	if strings.HasPrefix(local, `"`) {
		local = unquote(local)
	}
	return strings.ToLower(local)
}

// unquote takes the quotes off a local part that is the same mailbox without them (RFC 5321 4.1.2).
func unquote(local string) string {
	plain := strings.ReplaceAll(strings.TrimSuffix(local[1:], `"`), `\`, "")
	if a, err := message.ParseAddress(plain+"@example.com", true); err == nil && a.Local == plain {
		return plain
	}
	return local
}

// The kinds of targets, as they stand in keys.
const (
	kindAddress = 'a'
	kindDomain  = 'd'
)

// appendKey appends the key of an entry: tenant, NUL, kind, target.
func appendKey(b []byte, tenant, target string) []byte {
	if strings.Contains(target, "@") {
		return append(append(append(b, tenant...), 0, kindAddress), target...)
	}
	return appendDomainKey(b, tenant, target)
}

func appendDomainKey(b []byte, tenant, domain string) []byte {
	return append(append(append(b, tenant...), 0, kindDomain), domain...)
}

// splitKey is the reverse of appendKey.
func splitKey(key []byte) (tenant, target string, ok bool) {
	tenant, rest, ok := strings.Cut(string(key), "\x00")
	if !ok || len(rest) < 2 || rest[0] != kindAddress && rest[0] != kindDomain {
		return "", "", false
	}
	return tenant, rest[1:], true
}
