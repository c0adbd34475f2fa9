// Package resolvertest answers DNS questions out of a few lines of text, for tests and for worlds
// made up on one machine. A zone reads like this:
//
//	# name              [ttl] type  data
//	example.net         60    MX    10 mx1.example.net
//	mx1.example.net           A     192.0.2.1
//	*.wild.test               A     192.0.2.2
//	www.example.net           CNAME example.net
//	null.test                 MX    0 .
//
// Names are absolute with or without a final dot. Besides the types of records there are manners
// of failing, for all types or for the one that follows:
//
//	broken.test               SERVFAIL
//	half.test                 REFUSED AAAA
//	dead.test                 SILENT
//	fat.test                  TRUNCATED      (by UDP; TCP gets the records)
//	gone.test                 NXDOMAIN       (like every name that is not there)
package resolvertest

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/miekg/dns"
)

// defaultTTL is that of records without one, and of the absence of records, in seconds.
const defaultTTL = 300

// Generator answers for names that the text of a zone does not have, such as 100,000 domains made by a rule. ok tells
// whether the name is there at all. It is called by several goroutines at once; name is in lower
// case without the final dot.
type Generator func(name string, qtype uint16) (records []dns.RR, ok bool)

// Zone is what a Server knows. It stands for the whole DNS: every name has its place in it. It is
// safe for concurrent use, also while it is being served.
type Zone struct {
	mu        sync.RWMutex
	names     map[string]*node
	generate  Generator
	authentic bool

	tamper atomic.Pointer[Tamper]
	asked  atomic.Uint64
}

// node is what is known of one name.
type node struct {
	records map[uint16][]dns.RR
	faults  map[uint16]fault // dns.TypeANY for all types
}

type fault uint8

const (
	none fault = iota
	servfail
	refused
	silent
	truncated
	nxdomain
)

var faults = map[string]fault{
	"SERVFAIL": servfail, "REFUSED": refused, "SILENT": silent, "TRUNCATED": truncated, "NXDOMAIN": nxdomain,
}

// ParseZone reads a zone.
func ParseZone(text string) (*Zone, error) {
	z := &Zone{names: make(map[string]*node)}
	return z, z.Set(text)
}

// Set reads more text. What it says of a name takes the place of all that was known of the name.
func (z *Zone) Set(text string) error {
	fresh := make(map[string]*node)
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if f := strings.Fields(line); len(f) > 0 {
			if err := addLine(fresh, f); err != nil {
				return fmt.Errorf("zone line %d: %w", i+1, err)
			}
		}
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	for name, n := range fresh {
		z.names[name] = n
		for _, parent, ok := strings.Cut(name, "."); ok; _, parent, ok = strings.Cut(parent, ".") {
			if z.names[parent] == nil {
				z.names[parent] = &node{} // a name without records, above one with
			}
		}
	}
	return nil
}

// SetGenerator sets who answers for names that are not in the text.
func (z *Zone) SetGenerator(g Generator) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.generate = g
}

// SetAuthentic makes answers carry the AD bit, as from a server that has checked signatures.
func (z *Zone) SetAuthentic(on bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.authentic = on
}

func addLine(names map[string]*node, f []string) error {
	name := strings.ToLower(strings.TrimSuffix(f[0], "."))
	f = f[1:]
	ttl := uint64(defaultTTL)
	if len(f) > 0 {
		if n, err := strconv.ParseUint(f[0], 10, 32); err == nil {
			ttl, f = n, f[1:]
		}
	}
	if len(f) == 0 {
		return fmt.Errorf("%s: no type", name)
	}
	n := names[name]
	if n == nil {
		n = &node{records: make(map[uint16][]dns.RR), faults: make(map[uint16]fault)}
		names[name] = n
	}
	if bad, ok := faults[f[0]]; ok {
		return n.addFault(bad, f[1:])
	}
	if len(f) == 1 {
		return fmt.Errorf("%s: nothing behind %s", name, f[0])
	}
	rr, err := dns.NewRR(fmt.Sprintf("%s. %d IN %s", name, ttl, strings.Join(f, " ")))
	if err != nil {
		return err
	}
	t := rr.Header().Rrtype
	n.records[t] = append(n.records[t], rr)
	return nil
}

func (n *node) addFault(bad fault, types []string) error {
	if len(types) == 0 {
		n.faults[dns.TypeANY] = bad
	}
	for _, s := range types {
		t, ok := dns.StringToType[s]
		if !ok {
			return fmt.Errorf("%q is not a type", s)
		}
		n.faults[t] = bad
	}
	return nil
}

func (n *node) fault(qtype uint16) fault {
	if bad, ok := n.faults[qtype]; ok {
		return bad
	}
	return n.faults[dns.TypeANY]
}
