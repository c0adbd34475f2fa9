package world

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// Site is one receiving system: hosts that share a set of MX records, the domains they receive
// for, and how they behave.
type Site struct {
	// Hosts are the MX names by preference, best first: "mx1.ok.test".
	Hosts []string
	// Domains have these hosts as MX.
	Domains []string
	Manner  Manner
}

// Manner is how a site treats what it is sent. The zero value takes everything at once.
type Manner struct {
	// Delay comes before every reply, like a round trip: replies to commands that were sent
	// together come together. The greeting takes two of them, as the TCP handshake would.
	Delay time.Duration
	// TempFail is the fraction (0 to 1) of recipients answered 451 4.3.0, drawn anew at each try.
	TempFail float64
	// Reject is the fraction of addresses answered 550 5.1.1, the same ones at each try.
	Reject float64
	// Greylist answers 451 4.7.1 until this long after the first try of the same sender and
	// recipient; 0 does not greylist.
	Greylist time.Duration
	// Full is the fraction of addresses answered 452 4.2.2, the same ones at each try.
	Full float64
	// Drop is the fraction of connections that are cut at a random point before a message was
	// accepted on them.
	Drop float64
	// StartTLS offers STARTTLS with a self-signed certificate.
	StartTLS bool
	// NoPipelining and NoChunking leave the extension out of the EHLO reply.
	NoPipelining, NoChunking bool
	// DNS makes the site's domains fail in the DNS.
	DNS DNSManner
}

// DNSManner is how the DNS answers for a site's domains.
type DNSManner uint8

const (
	DNSNormal   DNSManner = iota // MX records for the hosts
	DNSMissing                   // NXDOMAIN
	DNSServfail                  // SERVFAIL
	DNSNullMX                    // a null MX (RFC 7505)
)

// site is a Site at run time.
type site struct {
	Site
	hosts  []*host
	draws  atomic.Uint64 // recipients that asked for a random answer
	visits atomic.Uint64 // connections that asked for one
	grey   greylist
}

// host is one MX name and its address. Several hosts may share an address.
type host struct {
	name string
	addr netip.AddrPort
	site *site
}

// settle turns the configuration into the tables that the servers read.
func (w *World) settle() {
	w.bySite = map[string]*site{}
	w.byName = map[string]*host{}
	sites := w.cfg.Sites
	if w.cfg.CatchAll != nil {
		sites = append(sites[:len(sites):len(sites)], *w.cfg.CatchAll)
	}
	for i := range sites {
		s := &site{Site: sites[i]}
		for _, name := range s.Hosts {
			h := w.byName[name]
			if h == nil {
				h = &host{name: name, site: s}
				w.byName[name] = h
				w.hosts = append(w.hosts, h)
			}
			s.hosts = append(s.hosts, h)
		}
		for _, d := range s.Domains {
			w.bySite[d] = s
		}
		if w.cfg.CatchAll != nil && i == len(sites)-1 {
			w.catch = s
		}
	}
}

// siteOf returns the site that receives for domain (lower case), or nil.
func (w *World) siteOf(domain []byte) *site {
	if s := w.bySite[string(domain)]; s != nil { // does not allocate
		return s
	}
	return w.catch
}

func (s *site) has(h *host) bool {
	for _, o := range s.hosts {
		if o.addr == h.addr {
			return true
		}
	}
	return false
}
