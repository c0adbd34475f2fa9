package resolver

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Bounds on what one answer may make us keep and do.
const (
	maxAliases     = 8   // CNAME records followed for one name
	maxMXRecords   = 256 // the most preferred are kept
	maxAddressesIn = 64
	maxNames       = 64  // PTR records
	textWeight     = 256 // bytes of text that count as one more record
)

var (
	errAliasChain = errors.New("too many or circular CNAME records")
	errReferral   = errors.New("the server does not answer for the name and did not look it up")
)

// question is what a server is asked. name is as checkName wants it.
type question struct {
	name  string
	qtype uint16
}

func (q question) String() string { return q.name + " " + dns.TypeToString[q.qtype] }

// outcome tells what an answer says. The difference between the last and the two before it is the one between a
// mail tried again and a mail bounced.
type outcome uint8

const (
	found  outcome = iota
	noData         // the name is there, records of the type are not
	noName         // the name is not there (RFC 8020: nor is anything below it)
	failed         // nobody knows
)

// answer is what is kept of an answer. It is not changed once made.
type answer struct {
	outcome   outcome
	mx        []mxRecord   // ascending preference, then name
	addrs     []netip.Addr // in the server's order
	texts     []string     // of TXT records, each joined; the names of PTR records; SRV records in srvForm
	aliases   []string     // the CNAME targets between the name and the records
	ttl       time.Duration
	authentic bool   // the server set AD
	server    string // who said it
	err       error  // why, when failed
}

// weight is how much an answer counts in the cache: a record is one, and so is the lack of records. A long
// text counts as the records that would take its room.
func (a *answer) weight() int {
	n := len(a.mx) + len(a.addrs) + len(a.aliases)
	for _, s := range a.texts {
		n += 1 + len(s)/textWeight
	}
	return max(1, n)
}

// mxRecord is one MX record; host is in lower case without the final dot, "" for the root.
type mxRecord struct {
	preference uint16
	host       string
}

// evaluate reads the answer to q out of m, whose question has been checked. When m ends in a CNAME
// without saying anything of its target, the target is returned as next, to be asked for. Only records that
// the chain from q leads to are looked at: a server cannot slip in others.
func evaluate(q question, m *dns.Msg) (a answer, next string, err error) {
	a = answer{authentic: m.AuthenticatedData, ttl: time.Duration(1<<31-1) * time.Second}
	owner := q.name
	for {
		a.collect(owner, q.qtype, m.Answer)
		if len(a.mx)+len(a.addrs)+len(a.texts) > 0 {
			a.bound()
			return a, "", nil
		}
		target, ttl, ok := aliasOf(owner, m.Answer)
		if !ok {
			break
		}
		if len(a.aliases) == maxAliases || target == q.name || slices.Contains(a.aliases, target) {
			return answer{}, "", errAliasChain
		}
		a.aliases = append(a.aliases, target)
		a.ttl = min(a.ttl, ttl)
		owner = target
	}
	return a.negative(owner, m)
}

// negative completes a for an answer without the records asked for (RFC 2308 2).
func (a answer) negative(owner string, m *dns.Msg) (answer, string, error) {
	if !m.RecursionAvailable && !m.Authoritative {
		return answer{}, "", errReferral // an absence claimed by someone who would not know
	}
	ttl, hasSOA := negativeTTL(m.Ns)
	switch {
	case m.Rcode == dns.RcodeNameError:
		a.outcome = noName
	case hasSOA || len(a.aliases) == 0:
		a.outcome = noData
	default:
		return a, owner, nil
	}
	a.ttl = min(a.ttl, ttl)
	return a, "", nil
}

// collect adds the records of the type at owner.
func (a *answer) collect(owner string, qtype uint16, rrs []dns.RR) {
	for _, rr := range rrs {
		h := rr.Header()
		if h.Rrtype != qtype || h.Class != dns.ClassINET || !sameName(h.Name, owner) {
			continue
		}
		switch rr := rr.(type) {
		case *dns.MX:
			a.mx = append(a.mx, mxRecord{rr.Preference, canonical(rr.Mx)})
		case *dns.A:
			a.addAddr(rr.A)
		case *dns.AAAA:
			a.addAddr(rr.AAAA)
		case *dns.TXT:
			a.texts = append(a.texts, joinText(rr.Txt))
		case *dns.PTR:
			a.addName(canonical(rr.Ptr))
		case *dns.SRV:
			a.addService(rr)
		default:
			continue
		}
		a.ttl = min(a.ttl, ttlOf(h))
	}
}

func (a *answer) addAddr(ip []byte) {
	addr, ok := netip.AddrFromSlice(ip)
	if ok && len(a.addrs) < maxAddressesIn && !slices.Contains(a.addrs, addr.Unmap()) {
		a.addrs = append(a.addrs, addr.Unmap())
	}
}

// addName adds the name of a PTR record. What is no host name can be checked against nothing and is passed over.
func (a *answer) addName(name string) {
	if len(a.texts) < maxNames && checkName(name) == nil {
		a.texts = append(a.texts, name)
	}
}

// bound sorts the MX records and cuts them to a number that can be worked with.
func (a *answer) bound() {
	slices.SortFunc(a.mx, func(x, y mxRecord) int {
		if x.preference != y.preference {
			return int(x.preference) - int(y.preference)
		}
		return strings.Compare(x.host, y.host)
	})
	a.mx = slices.Compact(a.mx)
	if len(a.mx) > maxMXRecords {
		a.mx = slices.Clone(a.mx[:maxMXRecords])
	}
}

// aliasOf returns the target of the CNAME record at owner.
func aliasOf(owner string, rrs []dns.RR) (target string, ttl time.Duration, ok bool) {
	for _, rr := range rrs {
		if c, is := rr.(*dns.CNAME); is && c.Hdr.Class == dns.ClassINET && sameName(c.Hdr.Name, owner) {
			return canonical(c.Target), ttlOf(&c.Hdr), true
		}
	}
	return "", 0, false
}

// negativeTTL is how long the absence may be kept: the smaller of the SOA record's own TTL and
// its last field (RFC 2308 5). Without an SOA record it is 0.
func negativeTTL(authority []dns.RR) (time.Duration, bool) {
	for _, rr := range authority {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(ttlOf(&soa.Hdr), seconds(soa.Minttl)), true
		}
	}
	return 0, false
}

func ttlOf(h *dns.RR_Header) time.Duration { return seconds(h.Ttl) }

// seconds reads a TTL; one with the highest bit set counts as 0 (RFC 2181 8).
func seconds(ttl uint32) time.Duration {
	if ttl > 1<<31-1 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}

// sameName compares a name off the wire, with its final dot, with one of ours.
func sameName(wire, name string) bool {
	return strings.EqualFold(strings.TrimSuffix(wire, "."), name)
}

func canonical(wire string) string { return lower(strings.TrimSuffix(wire, ".")) }

// rcodeError is an answer that is an error message.
type rcodeError int

func (e rcodeError) Error() string {
	if s, ok := dns.RcodeToString[int(e)]; ok {
		return s
	}
	return fmt.Sprintf("error code %d", int(e))
}
