package world

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// records are what the DNS knows besides hosts and MX.
type records struct {
	byName map[string][]dns.RR // lower case, without the final dot
	zones  []string            // in which there is nothing else
}

// readRecords reads lines of a zone file.
func readRecords(lines, zones []string) (records, error) {
	r := records{byName: map[string][]dns.RR{}, zones: zones}
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil || rr == nil {
			return r, fmt.Errorf("world: record %q: %w", line, err)
		}
		name := nameOf(rr.Header().Name)
		r.byName[name] = append(r.byName[name], rr)
	}
	return r, nil
}

func nameOf(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// answer returns the records asked for. known tells that the name has some, or that it is in a zone in which there are
// no others; exists, that it has some of any type.
func (r *records) answer(name string, qtype uint16) (found []dns.RR, exists, known bool) {
	if list := r.byName[name]; len(list) > 0 {
		for _, rr := range list {
			if rr.Header().Rrtype == qtype {
				found = append(found, rr)
			}
		}
		return found, true, true
	}
	for _, z := range r.zones {
		if name == z || strings.HasSuffix(name, "."+z) {
			return nil, name == z, true
		}
	}
	return nil, false, false
}
