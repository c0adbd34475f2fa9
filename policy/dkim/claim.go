package dkim

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"

	"github.com/posthaste-mta/posthaste/message"
)

// claim is what a DKIM-Signature field says (RFC 6376 3.5). The first fault that is found in it is kept, and what it says
// of itself is told all the same.
type claim struct {
	outcome Outcome // 0 as long as nothing is wrong
	reason  string

	domain, selector, algorithm, start string

	tags [numTags]tagValue
	// These are there if nothing is wrong.
	kind                       Algorithm
	lookup                     string // the name of the key record
	subdomain                  bool   // the identity is below the domain
	headerRelaxed, bodyRelaxed bool
	names                      []byte // h=, in lower case and without white space
	bodyHash                   [32]byte
	signature                  []byte
	expires                    int64 // seconds since 1970
}

// tagValue is where a tag's value stands in the content, white space included; end is 0 for a tag that is not there.
type tagValue struct{ start, end int }

const (
	tagVersion = iota
	tagAlgorithm
	tagSignature
	tagBodyHash
	tagDomain
	tagSigned
	tagSelector
	requiredTags // those above have to be there

	tagCanonical = iota - 1
	tagIdentity
	tagLength
	tagQuery
	tagTime
	tagExpiry
	numTags
)

var tagNames = [...]string{
	tagVersion: "v", tagAlgorithm: "a", tagSignature: "b", tagBodyHash: "bh", tagDomain: "d", tagSigned: "h", tagSelector: "s",
	tagCanonical: "c", tagIdentity: "i", tagLength: "l", tagQuery: "q", tagTime: "t", tagExpiry: "x",
}

// Bounds on what is told of a signature, in octets.
const (
	maxToldDomain    = 255
	maxToldSelector  = 253
	maxToldAlgorithm = 20
	maxToldStart     = 8 // RFC 6008 3
)

// readClaim reads the field.
func readClaim(content []byte, f message.Field) (c claim) {
	colon := f.NameEnd + bytes.IndexByte(content[f.NameEnd:f.End], ':')
	if err := c.findTags(content, colon+1, f.End); err != nil {
		c.fault(Unusable, "malformed signature tags: "+err.Error())
	}
	c.domain = squeeze(c.value(content, tagDomain), maxToldDomain)
	c.selector = squeeze(c.value(content, tagSelector), maxToldSelector)
	c.algorithm = algorithmName(c.value(content, tagAlgorithm))
	c.start = squeeze(c.value(content, tagSignature), maxToldStart)
	d, err := message.ParseDomain(c.domain, true)
	if err == nil {
		c.domain = d
	}
	if c.outcome == 0 {
		c.read(content, err == nil && d[0] != '[')
	}
	return c
}

// fault keeps the first fault.
func (c *claim) fault(o Outcome, why string) {
	if c.outcome == 0 {
		c.outcome, c.reason = o, why
	}
}

var (
	errTagForm  = errors.New("malformed tag")
	errTagTwice = errors.New("duplicate tag name")
	errTagMany  = errors.New("too many tags")
)

// maxTags bounds the tags of a signature, each of which is compared with those before it.
const maxTags = 100

// findTags finds the tags in content[start:end] (RFC 6376 3.2). A tag twice, known or not, makes the list invalid. What is
// said after a fault is found too, up to a bound, so that it can be told.
func (c *claim) findTags(content []byte, start, end int) (fault error) {
	var others [8][]byte
	unknown := others[:0]
	for n := 0; start < end; n++ {
		if n >= maxTags {
			return cmp.Or(fault, errTagMany)
		}
		stop := end
		if i := bytes.IndexByte(content[start:end], ';'); i >= 0 {
			stop = start + i
		}
		part := content[start:stop]
		equals := bytes.IndexByte(part, '=')
		name := trimSpace(part[:max(equals, 0)])
		switch t := tagOf(name); {
		case equals < 0 && len(trimSpace(part)) == 0: // behind the last semicolon
		case equals < 0 || !isTagName(name):
			fault = cmp.Or(fault, errTagForm)
		case t >= 0:
			if c.tags[t].end != 0 {
				fault = cmp.Or(fault, errTagTwice)
			}
			c.tags[t] = tagValue{start + equals + 1, stop}
		case containsName(unknown, name):
			fault = cmp.Or(fault, errTagTwice)
		default:
			unknown = append(unknown, name)
		}
		start = stop + 1
	}
	return fault
}

// tagOf returns the number of a tag that we know, or -1.
func tagOf(name []byte) int {
	if len(name) > 2 {
		return -1
	}
	for i, known := range tagNames {
		if string(name) == known {
			return i
		}
	}
	return -1
}

func containsName(names [][]byte, name []byte) bool {
	for _, n := range names {
		if bytes.Equal(n, name) {
			return true
		}
	}
	return false
}

// value returns the value of a tag without the white space around it.
func (c *claim) value(content []byte, tag int) []byte {
	t := c.tags[tag]
	return trimSpace(content[t.start:t.end])
}

// trimSpace cuts off folding white space.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// squeeze returns the first limit characters of b without folding white space.
func squeeze(b []byte, limit int) string {
	if len(b) <= limit && !bytes.ContainsAny(b, " \t\r\n") {
		return string(b)
	}
	out := make([]byte, 0, min(len(b), limit))
	for _, c := range b {
		if len(out) == limit {
			break
		}
		if !isSpace(c) {
			out = append(out, c)
		}
	}
	return string(out)
}

// algorithmName returns the value of the tag a.
func algorithmName(value []byte) string {
	for _, a := range [...]Algorithm{RSA, Ed25519} {
		if name := a.signatureName(); string(value) == name {
			return name
		}
	}
	return squeeze(value, maxToldAlgorithm)
}

// decode reads base64 with white space in it.
func decode(dst, b []byte) ([]byte, error) {
	if !bytes.ContainsAny(b, " \t\r\n") {
		return base64.StdEncoding.AppendDecode(dst, b)
	}
	plain := make([]byte, 0, len(b))
	for len(b) > 0 {
		n := bytes.IndexAny(b, " \t\r\n")
		if n < 0 {
			n = len(b)
		}
		plain = append(plain, b[:n]...)
		b = b[min(n+1, len(b)):]
	}
	return base64.StdEncoding.AppendDecode(dst, plain)
}
