package dmarc

import (
	"errors"
	"net/mail"
	"slices"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

const (
	// maxAuthors bounds the domains judged of one message: each may cost several walks.
	maxAuthors = 8
	// maxFrom bounds the From fields read, in octets.
	maxFrom = 32 << 10
)

// The reasons why a message has no authors that could be judged.
var (
	ErrNoAuthor       = errors.New("no domain in the From field")
	ErrTooManyAuthors = errors.New("too many domains in the From field")
)

// Authors returns the domains of the From fields in content's header, in lower case and as A-labels, each
// once. RFC 5322 3.6 allows one field; where there are more, all count, since nobody knows which
// one is shown to the reader. For the same reason addresses are also found in a field that is malformed.
// Address literals are no domains.
func Authors(content []byte) ([]string, error) {
	var domains []string
	size := 0
	for f := range message.Fields(content) {
		if !f.Is(content, "From") {
			continue
		}
		value := f.Value(content)
		if size += len(value); size > maxFrom {
			return nil, ErrTooManyAuthors
		}
		for _, raw := range rawDomains(unfold(string(value))) {
			d, err := message.ParseDomain(strings.TrimSuffix(raw, "."), true)
			if err != nil || d[0] == '[' || slices.Contains(domains, d) {
				continue
			}
			if len(domains) == maxAuthors {
				return nil, ErrTooManyAuthors
			}
			domains = append(domains, d)
		}
	}
	if len(domains) == 0 {
		return nil, ErrNoAuthor
	}
	return domains, nil
}

// unfold returns s without line breaks.
func unfold(s string) string {
	if !strings.ContainsAny(s, "\r\n") {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r", ""), "\n", "")
}

// rawDomains returns what stands behind the at signs of the addresses in value: by the grammar, or where it
// does not hold, of all that is in angle brackets, or else of all that looks like an address.
func rawDomains(value string) (out []string) {
	if list, err := mail.ParseAddressList(value); err == nil {
		for _, a := range list {
			out = append(out, a.Address[strings.LastIndexByte(a.Address, '@')+1:])
		}
		return out
	}
	bare := withoutQuotes(value)
	for rest := bare; ; {
		var inner string
		var ok bool
		if _, rest, ok = strings.Cut(rest, "<"); !ok {
			break
		}
		if inner, rest, ok = strings.Cut(rest, ">"); !ok {
			inner, rest = rest, ""
		}
		out = append(out, behindAt(inner)...)
	}
	if len(out) == 0 {
		out = behindAt(bare)
	}
	return out
}

// withoutQuotes returns s without quoted strings, whose at signs are none of an address. A quote that is not
// closed is an ordinary character.
func withoutQuotes(s string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, `"`)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		end := closingQuote(rest)
		if end < 0 {
			b.WriteString(rest)
			return b.String()
		}
		s = rest[end+1:]
	}
}

func closingQuote(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// behindAt returns the words behind the at signs in s.
func behindAt(s string) (out []string) {
	for {
		_, rest, ok := strings.Cut(s, "@")
		if !ok {
			return out
		}
		s = strings.TrimLeft(rest, " \t")
		word := s
		if end := strings.IndexAny(word, " \t,;:<>()[]@\""); end >= 0 {
			word = word[:end]
		}
		if word != "" {
			out = append(out, word)
		}
	}
}
