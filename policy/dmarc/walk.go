package dmarc

import (
	"context"
	"errors"
	"net"
	"strings"
)

// maxWalk bounds the questions of one tree walk (RFC 9989 4.10).
const maxWalk = 8

// targets returns the names whose records a walk from domain looks at, from the longest to the top-level
// domain. A name of more labels than there are questions is looked at itself, and then from its
// last seven labels on.
func targets(domain string) []string {
	out := make([]string, 0, maxWalk)
	out = append(out, domain)
	parent := domain
	for skip := max(1, strings.Count(domain, ".")+1-(maxWalk-1)); skip > 0; skip-- {
		var ok bool
		if _, parent, ok = strings.Cut(parent, "."); !ok {
			return out
		}
	}
	for {
		out = append(out, parent)
		var ok bool
		if _, parent, ok = strings.Cut(parent, "."); !ok {
			return out
		}
	}
}

// signpost is a name on the way up that has a record.
type signpost struct {
	domain string
	record Record
}

// finder asks for records and remembers them for the length of one evaluation, since the walks of
// author, SPF and DKIM end in the same domains.
type finder struct {
	ctx   context.Context
	dns   Resolver
	known []lookup // few: walks end in the same domains
}

type lookup struct {
	domain string
	record Record
	ok     bool
	err    error
}

// at returns the record of domain. Several make none (RFC 9989 4.10, step 2).
func (f *finder) at(domain string) (Record, bool, error) {
	for i := range f.known {
		if l := &f.known[i]; l.domain == domain {
			return l.record, l.ok, l.err
		}
	}
	l := f.ask(domain)
	l.domain = domain
	f.known = append(f.known, l)
	return l.record, l.ok, l.err
}

func (f *finder) ask(domain string) lookup {
	texts, err := f.dns.LookupTXT(f.ctx, "_dmarc."+domain)
	if err != nil {
		if missing(err) {
			err = nil
		}
		return lookup{err: err}
	}
	var found lookup
	for _, text := range texts {
		r, ok := ParseRecord(text)
		if ok && found.ok {
			return lookup{}
		}
		if ok {
			found = lookup{record: r, ok: true}
		}
	}
	return found
}

// missing tells whether err says that the name does not exist.
func missing(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsNotFound && !e.IsTemporary && !e.IsTimeout
}

// exists tells whether there is anything at domain or below it (RFC 9989 A.4).
func (f *finder) exists(domain string) (bool, error) {
	_, err := f.dns.LookupTXT(f.ctx, domain)
	if err != nil && missing(err) {
		return false, nil
	}
	return true, err
}

// walk returns the records at domain and above it, the longest name first, until one says where
// the organization ends.
func (f *finder) walk(domain string) ([]signpost, error) {
	var posts []signpost
	for _, name := range targets(domain) {
		r, ok, err := f.at(name)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		posts = append(posts, signpost{name, r})
		if r.PSD != PSDUnknown {
			break
		}
	}
	return posts, nil
}
