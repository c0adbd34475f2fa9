package dkim

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// read takes up the values. The faults are found in an order in which the graver one, by which nothing else can
// be trusted, comes first.
func (c *claim) read(content []byte, domainOK bool) {
	if string(c.value(content, tagVersion)) != "1" {
		c.fault(Unusable, "incompatible signature version")
	}
	for t := range requiredTags {
		if c.tags[t].end == 0 {
			c.fault(Unusable, "signature missing required tag")
		}
	}
	if !domainOK {
		c.fault(Unusable, "malformed domain")
	}
	c.readIdentity(squeezeAll(c.value(content, tagIdentity)))
	c.readNames(c.value(content, tagSigned))
	c.readAlgorithm()
	c.readCanonical(c.value(content, tagCanonical))
	c.readSelector(squeezeAll(c.value(content, tagSelector)))
	if c.tags[tagQuery].end != 0 && !hasWord(squeezeAll(c.value(content, tagQuery)), "dns/txt") {
		c.fault(Unusable, "unsupported public key query method")
	}
	c.readHashes(content)
	c.readTimes(content)
}

func squeezeAll(b []byte) string { return squeeze(b, len(b)) }

// hasWord tells whether a list with colons has the word.
func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ":") {
		if w == word {
			return true
		}
	}
	return false
}

// readIdentity makes sure that the identity is of the domain, or of one below it.
func (c *claim) readIdentity(identity string) {
	if c.tags[tagIdentity].end == 0 || c.outcome != 0 {
		return
	}
	at := strings.LastIndexByte(identity, '@')
	domain, err := message.ParseDomain(identity[at+1:], true)
	c.subdomain = err == nil && strings.HasSuffix(domain, "."+c.domain)
	if at < 0 || err != nil || domain != c.domain && !c.subdomain {
		c.fault(Unusable, "domain mismatch")
	}
}

// readNames keeps the names of the signed fields in a form that can be compared. From must be one.
func (c *claim) readNames(list []byte) {
	if c.outcome != 0 {
		return
	}
	c.names = make([]byte, 0, len(list))
	for _, b := range list {
		if isSpace(b) {
			continue
		}
		if 'A' <= b && b <= 'Z' {
			b |= 0x20
		}
		c.names = append(c.names, b)
	}
	for rest, more := c.names, true; more; {
		var name []byte
		if name, rest, more = bytes.Cut(rest, []byte(":")); string(name) == "from" {
			return
		}
	}
	c.fault(Unusable, "From field not signed")
}

func (c *claim) readAlgorithm() {
	key, hash, ok := strings.Cut(c.algorithm, "-")
	switch {
	case !ok:
		c.fault(Unusable, "malformed algorithm name")
	case hash == "sha1": // RFC 8301 3.1
		c.fault(Invalid, "hash algorithm too weak: sha1")
	case hash != "sha256":
		c.fault(Unusable, "unsupported hash algorithm")
	case key == RSA.String():
		c.kind = RSA
	case key == Ed25519.String():
		c.kind = Ed25519
	default:
		c.fault(Unusable, "unsupported key algorithm")
	}
}

func (c *claim) readCanonical(value []byte) {
	if c.tags[tagCanonical].end == 0 {
		return
	}
	header, body, both := strings.Cut(squeezeAll(value), "/")
	const simple, relaxed = "simple", "relaxed"
	if header == "" {
		header = simple
	}
	if !both {
		body = simple
	}
	if header != simple && header != relaxed || body != simple && body != relaxed {
		c.fault(Unusable, "unsupported canonicalization algorithm")
	}
	c.headerRelaxed, c.bodyRelaxed = header == relaxed, body == relaxed
}

// readSelector makes the name to ask for. A selector may have U-labels, as the domain may (RFC 8616 4).
func (c *claim) readSelector(selector string) {
	if c.outcome != 0 {
		return
	}
	for i := range len(selector) {
		if selector[i] < 0x80 {
			continue
		}
		ascii, err := message.ParseDomain(selector, true)
		if err != nil {
			c.fault(Unusable, "malformed selector")
		}
		selector = ascii
		break
	}
	c.lookup = selector + "._domainkey." + c.domain
}

func (c *claim) readHashes(content []byte) {
	if c.outcome != 0 {
		return
	}
	sum, err := decode(make([]byte, 0, 64), c.value(content, tagBodyHash))
	if err != nil {
		c.fault(Unusable, "malformed body hash")
	}
	if c.signature, err = decode(nil, c.value(content, tagSignature)); err != nil {
		c.fault(Unusable, "malformed signature")
	}
	if len(sum) != len(c.bodyHash) {
		c.fault(Invalid, "body hash did not verify")
		return
	}
	c.bodyHash = [32]byte(sum)
}

// readTimes reads when the signature was made and when it ends; it ends after it was made.
func (c *claim) readTimes(content []byte) {
	made, ok := c.readTime(content, tagTime)
	if !ok {
		c.fault(Unusable, "malformed time")
	}
	ends, ok := c.readTime(content, tagExpiry)
	if !ok || c.tags[tagExpiry].end != 0 && c.tags[tagTime].end != 0 && ends <= made {
		c.fault(Unusable, "malformed expiration time")
	}
	c.expires = ends
}

// readTime reads seconds since 1970; 0 for a tag that is not there.
func (c *claim) readTime(content []byte, tag int) (seconds int64, ok bool) {
	if c.tags[tag].end == 0 {
		return 0, true
	}
	n, err := strconv.ParseUint(squeezeAll(c.value(content, tag)), 10, 62)
	return int64(n), err == nil
}

// check returns why the signature cannot be valid now, if that can be told without its key.
func (c *claim) check(now time.Time) (Outcome, string) {
	if c.tags[tagExpiry].end != 0 && now.After(time.Unix(c.expires, 0)) {
		c.fault(Invalid, "signature has expired")
	}
	return c.outcome, c.reason
}

// maxPicks bounds the header fields gone through to find those that a signature covers: a signature beyond was made to
// keep us busy.
const maxPicks = 100_000

// dear tells whether the signature costs too much to look at, in a message of so many fields.
func (c *claim) dear(fields int) bool {
	return fields*(1+bytes.Count(c.names, []byte(":"))) > maxPicks
}
