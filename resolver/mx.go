package resolver

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/miekg/dns"
)

// maxHosts bounds the hosts of one route whose addresses are looked up, maxHostAddresses the
// addresses used of each. RFC 5321 5.1 wants two addresses tried at least.
const (
	maxHosts         = 16
	maxHostAddresses = 8
)

// byMX returns the plan for a mail domain by RFC 5321 5.1. A question that goes unanswered never counts as
// "no MX record": the domain's own address may belong to its web server.
func (p *planner) byMX(to target) (*plan, error) {
	mx, err := p.lookup(to.domain, dns.TypeMX)
	if err != nil {
		return nil, err
	}
	switch mx.outcome {
	case failed:
		return p.fail(unanswered("the MX records of "+to.domain, mx.err)), nil
	case noName:
		return p.fail(badDomain("the domain %s does not exist", to.domain)), nil
	case noData:
		p.trace.rule("%s has no MX record: its own addresses are used", to.domain)
		return p.byAddress(to)
	}
	if len(mx.mx) == 1 && mx.mx[0].host == "" {
		return p.fail(permanent(556, 1, 10, "the domain %s takes no mail (null MX)", to.domain)), nil
	}
	cands := p.candidates(mx.mx)
	pl, err := p.choose(to, cands, permanent(550, 4, 4, "the MX records of %s name no host that has an address", to.domain))
	if err == nil {
		pl.route.Kind, pl.route.Authentic = KindMX, mx.authentic
	}
	return pl, err
}

// byAddress returns the plan for a host: a domain without MX records, or a next hop in brackets.
func (p *planner) byAddress(to target) (*plan, error) {
	cands := []candidate{{name: to.domain}}
	pl, err := p.choose(to, cands, badDomain("the domain %s has neither MX nor address records", to.domain))
	if err == nil {
		pl.route.Kind = KindImplicit
		pl.route.Authentic = len(pl.route.Hosts) > 0 && pl.route.Hosts[0].Authentic
	}
	return pl, err
}

// candidate is a host that mail may go to, with what is known of it.
type candidate struct {
	name       string
	preference uint16
	addresses
}

// candidates returns the hosts of the MX records by preference, each once. A record whose host is no host name is
// passed over: the root beside other records, which RFC 7505 3 forbids, and addresses, which RFC 5321 5.1
// does not allow there; when there are no others the domain has no usable MX host.
func (p *planner) candidates(records []mxRecord) []candidate {
	var out []candidate
	seen := make(map[string]bool, len(records))
	for _, r := range records {
		if checkName(r.host) != nil {
			p.trace.rule("MX host %.100q is not a host name: passed over", cmp.Or(r.host, "."))
			continue
		}
		if !seen[r.host] {
			seen[r.host] = true
			out = append(out, candidate{name: r.host, preference: r.preference})
		}
	}
	return out
}

// choose returns the plan that leads to those of cands that mail can go to, or none when there are no
// addresses at all. When it is not known whether there are any, mail waits.
//
// The site is named after all hosts that come into question, not after those that have addresses
// just now: it must not change with every lookup that fails.
func (p *planner) choose(to target, cands []candidate, none *Failure) (*plan, error) {
	all := above(cands, p.ownPreference(to, cands, p.isNamedAsUs))
	looked := p.limit(all)
	if err := p.findAddresses(looked); err != nil {
		return nil, err
	}
	own := p.ownPreference(to, looked, p.hasOurAddress)
	all, looked = above(all, own), above(looked, own)
	if len(all) == 0 && len(cands) > 0 {
		return p.fail(loop(to.domain)), nil
	}
	hosts, f := p.usable(to, looked, none)
	p.untilAddresses(looked, f == nil)
	if f != nil {
		return p.fail(f), nil
	}
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.name
	}
	return p.lead(to, names, hosts), nil
}

// usable returns the hosts among cands with the addresses that may be delivered to.
func (p *planner) usable(to target, cands []candidate, none *Failure) ([]Host, *Failure) {
	var hosts []Host
	var unknown, refused *Failure
	for _, c := range cands {
		allowed, why := p.allowed(to, c)
		switch {
		case len(allowed) > 0:
			hosts = append(hosts, Host{Name: c.name, Preference: c.preference, Addrs: allowed, Authentic: c.authentic})
		case c.err != nil:
			unknown = unanswered("the addresses of "+c.name, c.err)
			p.trace.rule("the addresses of %s are not known now: passed over", c.name)
		case why != "":
			refused = permanent(550, 7, 1, "mail for %s must not be delivered to %s: %s", to.domain, c.name, why)
		default:
			p.trace.rule("%s has no address: passed over", c.name)
		}
	}
	switch {
	case len(hosts) > 0:
		return hosts, nil
	case unknown != nil:
		return nil, unknown
	case refused != nil:
		return nil, refused
	}
	return nil, none
}

// nobody is the preference of ourselves when we are not among the hosts.
const nobody = 1 << 16

// ownPreference returns the preference of the first of cands that is us. Hosts that are not more preferred
// would only send the mail back to us (RFC 5321 5.1).
func (p *planner) ownPreference(to target, cands []candidate, isUs func(candidate) bool) int {
	us := slices.IndexFunc(cands, isUs)
	if to.trusted || us < 0 {
		return nobody
	}
	own := cands[us]
	p.trace.rule("%s is ourselves: hosts of preference %d and more are cut", own.name, own.preference)
	return int(own.preference)
}

func (p *planner) isNamedAsUs(c candidate) bool { return slices.Contains(p.cfg.LocalNames, c.name) }

func (p *planner) hasOurAddress(c candidate) bool { return slices.ContainsFunc(c.addrs, p.isLocal) }

// above returns those of cands that are preferred to a host of the given preference.
func above(cands []candidate, preference int) []candidate {
	n := slices.IndexFunc(cands, func(c candidate) bool { return int(c.preference) >= preference })
	if n < 0 {
		return cands
	}
	return cands[:n]
}

func loop(domain string) *Failure {
	return permanent(554, 4, 6, "mail for %s loops back to ourselves", domain)
}

// limit returns the most preferred of cands, some of the last preference by chance.
func (p *planner) limit(cands []candidate) []candidate {
	if len(cands) <= maxHosts {
		return cands
	}
	p.trace.rule("%d hosts: the %d most preferred are looked at", len(cands), maxHosts)
	byChance := slices.Clone(cands)
	rand.Shuffle(len(byChance), func(i, j int) { byChance[i], byChance[j] = byChance[j], byChance[i] })
	slices.SortStableFunc(byChance, func(a, b candidate) int { return int(a.preference) - int(b.preference) })
	return byChance[:maxHosts]
}
