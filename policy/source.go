package policy

import "net/netip"

// Source is an address we send from with the name we give there in EHLO.
type Source struct {
	Name string
	IP   netip.Addr // invalid: the system chooses
	EHLO string
}

// Pool is a weighted set of sources.
type Pool struct {
	Name    string
	Members []Member
}

// Member is a source with its share of the pool's mail.
type Member struct {
	Source Source
	Weight int // 0 means out of use
}

// Pick returns the source for rnd in [0, 1).
func (p *Pool) Pick(rnd float64) (Source, bool) { return Source{}, false }
