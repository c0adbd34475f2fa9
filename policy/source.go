package policy

import "net/netip"

// Source is an address we send from with the name we give there in EHLO.
type Source struct {
	Name string     // in events and metrics
	IP   netip.Addr // invalid: the system chooses
	EHLO string     // "" means the host name
}

// Pool is a weighted set of sources.
type Pool struct {
	Name    string
	Members []Member
}

// Member is a source with its share of the pool's mail.
type Member struct {
	Source Source
	Weight int // its share relative to the others; 0 or less takes it out of use
}

// Pick returns the source that rnd, in [0, 1), falls on: the same one for the same rnd as long as
// the pool does not change. ok is false if none is in use, and for a nil pool.
func (p *Pool) Pick(rnd float64) (s Source, ok bool) {
	if p == nil {
		return Source{}, false
	}
	total := 0
	for i := range p.Members {
		total += max(p.Members[i].Weight, 0)
	}
	if total == 0 {
		return Source{}, false
	}
	at := min(int(rnd*float64(total)), total-1)
	for i := range p.Members {
		at -= max(p.Members[i].Weight, 0)
		if at < 0 {
			return p.Members[i].Source, true
		}
	}
	return Source{}, false // not reached: the weights add up to total
}

// Pools says which pool the mail for a domain leaves from. The zero value leaves the choice of
// address to the system.
type Pools struct {
	Default *Pool // nil: the system's choice
	// Domains holds pools by domain, in lower case and as A-label, or by ".suffix" for all
	// domains below it.
	Domains map[string]*Pool
}

// For returns the pool of a domain; nil if the choice is the system's.
func (p *Pools) For(domain string) *Pool {
	if own, ok := lookup(p.Domains, domain); ok {
		return own
	}
	return p.Default
}
