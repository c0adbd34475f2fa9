package dmarc

import (
	"net/url"
	"slices"
	"strings"
)

// PSD tells whether a domain is a public suffix, below which others register theirs.
type PSD uint8

const (
	PSDUnknown PSD = iota // the default
	PSDYes
	PSDNo // not, and the organizational domain of what is below
)

// Record is a policy record (RFC 9989 4.7). Tags that it abolished, such as pct, are ignored like unknown ones.
type Record struct {
	// P is the policy for the domain itself; SP for domains below it that exist, NP for those that do
	// not; PolicyUnset where the record does not say. P is PolicyUnset when the record is no basis for anything
	// (RFC 9989 4.10.1).
	P, SP, NP Policy
	// StrictDKIM and StrictSPF ask for equal domains where one organization is enough otherwise.
	StrictDKIM, StrictSPF bool
	PSD                   PSD
	// Testing asks for the policy one level below (tag t).
	Testing bool
	// RUA and RUF are the URIs of those who want reports, without the obsolete size limit; at most
	// maxURIs each.
	RUA, RUF []string
}

// maxURIs bounds the addresses kept of each kind: a record may be 64 KiB long.
const maxURIs = 16

// ParseRecord reads the text of a TXT record. ok is false if it is no policy record: it has to start with the tag
// v, whose value is DMARC1 in capitals. What cannot be understood after that is passed over
// (RFC 9989 4.8).
func ParseRecord(text string) (r Record, ok bool) {
	first, rest, _ := strings.Cut(text, ";")
	name, value, ok := cutTag(first)
	if !ok || name != "v" || value != "DMARC1" || text[0] != 'v' && text[0] != 'V' {
		return Record{}, false
	}
	var seen [len(known)]bool
	badPolicy := false
	for rest != "" {
		var tag string
		tag, rest, _ = strings.Cut(rest, ";")
		name, value, ok := cutTag(tag)
		n := slices.Index(known[:], name)
		if !ok || n < 0 || seen[n] {
			continue
		}
		seen[n] = true
		badPolicy = !r.set(name, value) || badPolicy
	}
	if r.P == PolicyUnset || badPolicy {
		r.P, r.SP, r.NP = PolicyUnset, PolicyUnset, PolicyUnset
		if len(r.RUA) > 0 { // wants to know at least (RFC 9989 4.10.1)
			r.P = PolicyNone
		}
	}
	return r, true
}

var known = [...]string{"p", "sp", "np", "adkim", "aspf", "psd", "t", "rua", "ruf"}

// set takes up one tag. ok is false for a policy that is none.
func (r *Record) set(name, value string) (ok bool) {
	word := strings.ToLower(value)
	switch name {
	case "p":
		r.P = policies[word]
		return r.P != PolicyUnset
	case "sp":
		r.SP = policies[word]
		return r.SP != PolicyUnset
	case "np":
		r.NP = policies[word]
		return r.NP != PolicyUnset
	case "adkim":
		r.StrictDKIM = word == "s"
	case "aspf":
		r.StrictSPF = word == "s"
	case "psd":
		r.PSD = map[string]PSD{"y": PSDYes, "n": PSDNo}[word]
	case "t":
		r.Testing = word == "y"
	case "rua":
		r.RUA = uris(value)
	case "ruf":
		r.RUF = uris(value)
	}
	return true
}

var policies = map[string]Policy{"none": PolicyNone, "quarantine": PolicyQuarantine, "reject": PolicyReject}

// cutTag reads "name = value" and returns the name in lower case.
func cutTag(tag string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(tag, "=")
	return strings.ToLower(strings.Trim(name, " \t")), strings.Trim(value, " \t"), ok
}

func uris(list string) (out []string) {
	for s := range strings.SplitSeq(list, ",") {
		s, _, _ = strings.Cut(strings.Trim(s, " \t"), "!")
		u, err := url.Parse(s)
		if err == nil && u.Scheme != "" && u.Opaque+u.Host != "" && len(out) < maxURIs {
			out = append(out, s)
		}
	}
	return out
}
