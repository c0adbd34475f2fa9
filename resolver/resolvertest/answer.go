package resolvertest

import (
	"strings"

	"github.com/miekg/dns"
)

// maxAliases bounds the CNAME records followed, as in any server.
const maxAliases = 16

// answer completes reply, which has the question already, and tells of a fault that is not in the reply.
func (z *Zone) answer(reply *dns.Msg) fault {
	q := reply.Question[0]
	reply.RecursionAvailable = true
	z.mu.RLock()
	defer z.mu.RUnlock()
	reply.AuthenticatedData = z.authentic
	name := strings.ToLower(strings.TrimSuffix(q.Name, "."))
	var bad fault
	for range maxAliases {
		records, fault, ok := z.find(name, q.Qtype)
		switch fault {
		case servfail, refused:
			reply.Rcode = map[bool]int{true: dns.RcodeServerFailure, false: dns.RcodeRefused}[fault == servfail]
			reply.Answer = nil
			return none
		case silent:
			return silent
		case truncated:
			bad = truncated
		}
		reply.Answer = append(reply.Answer, records...)
		if len(records) > 0 {
			if c, is := records[0].(*dns.CNAME); is && q.Qtype != dns.TypeCNAME {
				name = strings.ToLower(strings.TrimSuffix(c.Target, "."))
				continue
			}
			return bad
		}
		if !ok {
			reply.Rcode = dns.RcodeNameError
		}
		break
	}
	reply.Ns = []dns.RR{&dns.SOA{
		Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: defaultTTL},
		Ns:  "ns.invalid.", Mbox: "hostmaster.invalid.", Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400,
		Minttl: defaultTTL,
	}}
	return bad
}

// find returns the records of the type at name, or its CNAME record; ok tells whether the name is there.
//
// REQUIRES: z.mu
func (z *Zone) find(name string, qtype uint16) (records []dns.RR, bad fault, ok bool) {
	n := z.names[name]
	if n == nil && z.generate != nil {
		if records, ok = z.generate(name, qtype); ok {
			return records, none, true
		}
	}
	if n != nil {
		bad = n.fault(qtype)
		records = n.at(qtype)
		return records, bad, bad != nxdomain
	}
	for _, parent, more := strings.Cut(name, "."); more; _, parent, more = strings.Cut(parent, ".") {
		if n = z.names["*."+parent]; n != nil {
			return renamed(n.at(qtype), name), n.fault(qtype), true
		}
	}
	return nil, none, false
}

func (n *node) at(qtype uint16) []dns.RR {
	if c := n.records[dns.TypeCNAME]; len(c) > 0 {
		return c
	}
	return n.records[qtype]
}

// renamed returns the records of a wildcard as those of name.
func renamed(records []dns.RR, name string) []dns.RR {
	out := make([]dns.RR, len(records))
	for i, rr := range records {
		out[i] = dns.Copy(rr)
		out[i].Header().Name = name + "."
	}
	return out
}
