package policy

import "strings"

// lookup finds what m says of a domain: under its own name, else under the longest ".suffix" that
// it ends with. It allocates nothing.
func lookup[T any](m map[string]T, domain string) (T, bool) {
	if v, ok := m[domain]; ok || len(m) == 0 {
		return v, ok
	}
	for i := strings.IndexByte(domain, '.'); i >= 0; {
		if v, ok := m[domain[i:]]; ok {
			return v, true
		}
		next := strings.IndexByte(domain[i+1:], '.')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	var none T
	return none, false
}

// DomainSet is a set of domains in lower case and as A-labels; ".suffix" stands for all domains
// below it, but not for the suffix itself.
type DomainSet map[string]struct{}

// NewDomainSet returns the set of these.
func NewDomainSet(domains ...string) DomainSet {
	s := make(DomainSet, len(domains))
	for _, d := range domains {
		s[strings.ToLower(d)] = struct{}{}
	}
	return s
}

// Has tells whether the set holds the domain, by name or by suffix.
func (s DomainSet) Has(domain string) bool {
	_, ok := lookup(s, domain)
	return ok
}

// glob tells whether s matches a pattern in which "*" stands for any run of characters. The work
// is at most len(pattern) times len(s), whatever the pattern.
func glob(pattern, s string) bool {
	p, i := 0, 0
	star, from := -1, 0 // the last star seen, and where what it stands for ends
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && pattern[p] == s[i]:
			p++
			i++
		case star >= 0: // let the last star swallow one more
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
