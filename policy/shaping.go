package policy

import (
	"fmt"
	"strings"
)

// Override is limits for some destinations.
type Override struct {
	// Match is a domain in lower case and as A-label, ".suffix" for all domains below it, or
	// "site:" and the name of a site, in which "*" stands for any run of characters.
	Match string
	Set   PartialLimits
}

const sitePrefix = "site:"

// Shaping is the limits of all destinations. It does not change once made, so that any number of
// goroutines may ask; a new configuration is a new Shaping.
type Shaping struct {
	def     Limits
	domains map[string]PartialLimits // by domain or ".suffix"
	sites   []Override               // Match is a pattern without its prefix
}

// NewShaping checks the limits and merges what it can beforehand. An error names the override.
func NewShaping(def Limits, overrides ...Override) (*Shaping, error) {
	if err := def.Validate(); err != nil {
		return nil, err
	}
	s := &Shaping{def: def, domains: make(map[string]PartialLimits)}
	for _, o := range overrides {
		if o.Match == "" || o.Match == sitePrefix {
			return nil, fmt.Errorf("policy: override without a domain or site")
		}
		if err := o.Set.over(def).Validate(); err != nil {
			return nil, fmt.Errorf("override for %q: %w", o.Match, err)
		}
		if pattern, ok := strings.CutPrefix(o.Match, sitePrefix); ok {
			s.sites = append(s.sites, Override{pattern, o.Set})
			continue
		}
		if _, twice := s.domains[o.Match]; twice {
			return nil, fmt.Errorf("policy: two overrides for %q", o.Match)
		}
		s.domains[o.Match] = o.Set
	}
	return s, nil
}

// For returns the limits of a domain and its site. A value comes from the domain's own override,
// or else the one of its longest suffix; else from the last override of a matching site; else it
// is the default.
func (s *Shaping) For(domain, site string) Limits {
	l := s.def
	for i := range s.sites {
		if glob(s.sites[i].Match, site) {
			l = s.sites[i].Set.over(l)
		}
	}
	if p, ok := lookup(s.domains, domain); ok {
		l = p.over(l)
	}
	return l
}
