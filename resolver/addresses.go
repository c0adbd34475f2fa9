package resolver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"
)

const (
	// maxParallel bounds the questions one route asks at the same time.
	maxParallel = 8
	// partialTTL is when a route is worked out anew that lacks something whose lookup failed.
	partialTTL = time.Minute
)

// addresses is what is known of a host's addresses.
type addresses struct {
	addrs     []netip.Addr // of the first family, then of the second
	authentic bool
	expires   time.Time // the earliest end of what is known
	err       error     // of a lookup that failed
	retry     time.Time // when it may be asked again
}

// findAddresses looks up the addresses of cands, several at a time where the cache does not
// have them.
func (p *planner) findAddresses(cands []candidate) error {
	types := families[p.cfg.Families]
	questions := make([]question, 0, len(types)*len(cands))
	for _, c := range cands {
		for _, t := range types {
			questions = append(questions, question{c.name, t})
		}
	}
	results := make([]result, len(questions))
	var group errgroup.Group
	group.SetLimit(maxParallel)
	for i, q := range questions {
		var ok bool
		if results[i], ok = p.known(q); ok {
			continue
		}
		group.Go(func() (err error) {
			results[i], err = p.cache.lookup(p.ctx, q)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i := range cands {
		first := i * len(types)
		for j, res := range results[first : first+len(types)] {
			p.note(questions[first+j], res)
			cands[i].add(res, j == 0)
		}
	}
	return nil
}

// known answers q without asking.
func (p *planner) known(q question) (result, bool) {
	if addr, ok := localhost(q); ok {
		a := &answer{addrs: []netip.Addr{addr}, server: "RFC 6761"}
		return result{answer: a, cached: true, expires: p.cfg.Now().Add(p.cfg.MaxTTL)}, true
	}
	return p.cache.peek(q)
}

// add takes up the addresses of one family.
func (a *addresses) add(res result, first bool) {
	a.authentic = res.authentic && (first || a.authentic)
	if res.outcome == failed {
		a.err, a.retry = res.err, res.expires
		return
	}
	a.addrs = append(a.addrs, res.addrs[:min(len(res.addrs), maxHostAddresses)]...)
	if a.expires.IsZero() || res.expires.Before(a.expires) {
		a.expires = res.expires
	}
}

// untilAddresses bounds the life of the plan by that of the addresses. A usable plan outlives the
// failure of one of its lookups for a while: a broken name server behind one host of many must
// not make mail wait for it again and again.
func (p *planner) untilAddresses(cands []candidate, usable bool) {
	for _, c := range cands {
		if !c.expires.IsZero() {
			p.until(c.expires)
		}
		switch {
		case c.err == nil:
		case usable:
			p.until(p.cfg.Now().Add(partialTTL))
		default:
			p.until(c.retry)
		}
	}
}

// allowed returns the addresses of c that may be delivered to. why tells of one that may not.
func (p *planner) allowed(to target, c candidate) (addrs []netip.AddrPort, why string) {
	for _, a := range c.addrs {
		if !to.trusted {
			if refusal := p.reach.refusal(a); refusal != "" {
				why = fmt.Sprintf("address %s is refused (%s)", a, refusal)
				p.trace.rule("%s: %s", c.name, why)
				continue
			}
		}
		addrs = append(addrs, netip.AddrPortFrom(a, to.port))
	}
	return addrs, why
}

func (p *planner) isLocal(a netip.Addr) bool { return slices.Contains(p.cfg.LocalAddrs, a) }

// localhost answers for the one name that is not asked of servers (RFC 6761 6.3).
func localhost(q question) (netip.Addr, bool) {
	if !isLocalhost(q.name) {
		return netip.Addr{}, false
	}
	if q.qtype == dns.TypeA {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	}
	return netip.IPv6Loopback(), true
}

func isLocalhost(name string) bool {
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
