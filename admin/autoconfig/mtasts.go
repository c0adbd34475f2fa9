package autoconfig

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
)

// STSPolicy is what servers that send to our domains are to demand of the MX hosts (RFC 8461 3.2).
type STSPolicy struct {
	Mode   string // testing or enforce
	MX     []string
	MaxAge int // seconds
}

// String returns the text of the policy.
func (p *STSPolicy) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: STSv1\r\nmode: %s\r\n", p.Mode)
	for _, mx := range p.MX {
		fmt.Fprintf(&b, "mx: %s\r\n", mx)
	}
	fmt.Fprintf(&b, "max_age: %d\r\n", p.MaxAge)
	return b.String()
}

// ID returns what the TXT record says; it changes with the policy.
func (p *STSPolicy) ID() string {
	h := sha256.Sum256([]byte(p.String()))
	return hex.EncodeToString(h[:8])
}

// serveSTS answers at the host of a domain that the RFC has for it, and at no other.
func serveSTS(w http.ResponseWriter, r *http.Request, s *Settings) {
	if !allow(w, r, http.MethodGet) {
		return
	}
	domain, ok := strings.CutPrefix(requestHost(r), "mta-sts.")
	if !ok || !s.serves(domain) || s.STS == nil {
		http.NotFound(w, r)
		return
	}
	send(w, "text/plain; charset=utf-8", []byte(s.STS.String()))
}
