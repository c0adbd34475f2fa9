package resolver

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// maxSiteLength bounds the name of a site, in bytes.
const maxSiteLength = 128

// siteName names the receiving system behind a set of MX hosts: the host if it is one, else what their
// names end in with the different beginnings before it, as KumoMTA does it:
//
//	mx1.example.net
//	(mx1|mx2).example.net
//	(alt1|alt2)?.gmail-smtp-in.l.google.com      the ? stands for the host without a beginning
//	(mx.example.net|mx.example.org)
//
// The same set has the same name in whatever order, and another set another name; preferences do not
// count. Sets with too long a name keep its tail and get a number made from the whole, one that
// nobody can make come out the same for a set of his own.
func siteName(hosts []string) string {
	names := slices.Clone(hosts)
	slices.Sort(names)
	names = slices.Compact(names)
	suffix := commonSuffix(names)
	var heads []string
	optional := ""
	for _, n := range names {
		head := strings.TrimSuffix(n[:len(n)-len(suffix)], ".")
		if head == "" {
			optional = "?"
			continue
		}
		heads = append(heads, head)
	}
	switch {
	case len(names) == 1:
		return short(names[0], "", names)
	case suffix == "":
		return short("("+strings.Join(heads, "|")+")", "("+heads[0]+"|+"+strconv.Itoa(len(heads)-1)+")", names)
	}
	rest := optional + "." + suffix
	return short("("+strings.Join(heads, "|")+")"+rest,
		"("+heads[0]+"|+"+strconv.Itoa(len(heads)-1)+")"+rest, names)
}

// short returns name if it is short enough, else brief, or what fits of its end, with a hash of names.
func short(name, brief string, names []string) string {
	if len(name) <= maxSiteLength {
		return name
	}
	if brief == "" {
		brief = name
	}
	sum := sha256.Sum256([]byte(strings.Join(names, "|")))
	mark := "#" + hex.EncodeToString(sum[:8])
	if n := maxSiteLength - len(mark) - 1; len(brief) > n {
		brief = "~" + brief[len(brief)-n:]
	}
	return brief + mark
}

// commonSuffix returns the longest run of labels that all names end in, if it is two labels or more: what
// is the same in "a.com" and "b.com" tells nothing.
func commonSuffix(names []string) string {
	suffix := names[0]
	for _, n := range names[1:] {
		for n != suffix && !strings.HasSuffix(n, "."+suffix) {
			_, parent, more := strings.Cut(suffix, ".")
			if !more {
				return ""
			}
			suffix = parent
		}
	}
	if !strings.Contains(suffix, ".") {
		return ""
	}
	return suffix
}
