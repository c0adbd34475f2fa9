package dmarc

import "strings"

// organization returns the organizational domain of domain, given the records found on a walk from it
// (RFC 9989 4.10.2).
func organization(domain string, posts []signpost) string {
	for _, p := range posts {
		switch {
		case p.record.PSD == PSDNo:
			return p.domain
		case p.record.PSD == PSDYes && p.domain != domain:
			return oneBelow(p.domain, domain)
		}
	}
	if len(posts) > 0 {
		return posts[len(posts)-1].domain
	}
	return domain
}

// oneBelow returns the name on the way from domain up to parent that has one label more than parent.
func oneBelow(parent, domain string) string {
	front := strings.TrimSuffix(domain, "."+parent)
	return front[strings.LastIndexByte(front, '.')+1:] + "." + parent
}

// isBelow tells whether domain is parent or a name below it.
func isBelow(domain, parent string) bool {
	return domain == parent || strings.HasSuffix(domain, parent) && domain[len(domain)-len(parent)-1] == '.'
}

// discovery is the policy that applies to an author's domain.
type discovery struct {
	record    Record
	domain    string // where the record stands
	published Policy // what it says of the author's domain; PolicyUnset: nothing, and the method does not apply
	org       string // the author's organizational domain; "" until it is asked for
}

// discover returns the policy for author: that of its own record, or of its organizational domain, or of the public
// suffix above (RFC 9989 4.10.1).
func (f *finder) discover(author string) (discovery, error) {
	r, ok, err := f.at(author)
	if err != nil {
		return discovery{}, err
	}
	if ok {
		return discovery{record: r, domain: author, published: r.P}, nil
	}
	posts, err := f.walk(author)
	if err != nil || len(posts) == 0 {
		return discovery{org: author}, err
	}
	d := discovery{org: organization(author, posts)}
	chosen := posts[len(posts)-1] // the public suffix, unless the organization has a record
	for _, p := range posts {
		if p.domain == d.org {
			chosen = p
		}
	}
	d.record, d.domain = chosen.record, chosen.domain
	d.published, err = f.forSubdomain(d.record, author)
	return d, err
}

// forSubdomain returns what r, found above author, says of author.
func (f *finder) forSubdomain(r Record, author string) (Policy, error) {
	p := r.P
	if p == PolicyUnset {
		return p, nil
	}
	if r.SP != PolicyUnset {
		p = r.SP
	}
	if r.NP == PolicyUnset || r.NP == p {
		return p, nil
	}
	there, err := f.exists(author)
	if err == nil && !there {
		p = r.NP
	}
	return p, err
}

// organizationOf returns the organizational domain of domain.
func (f *finder) organizationOf(domain string) (string, error) {
	posts, err := f.walk(domain)
	return organization(domain, posts), err
}
