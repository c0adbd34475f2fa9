package imap

import (
	"strconv"
	"strings"
	"time"
)

const (
	// maxSearchKeys and maxSearchDepth bound a SEARCH: each key is tried on each message.
	maxSearchKeys  = 500
	maxSearchDepth = 20
)

// searchReader walks through the arguments of a SEARCH before the library does, which forgets SMALLER when
// certain keys follow, answers what it does not know as if the server were at fault, and bounds nothing.
type searchReader struct {
	in   string
	out  strings.Builder
	keys int

	modSeq bool // there is a MODSEQ
}

// prepareSearch checks a SEARCH and rewrites it for the library.
func (s *session) prepareSearch(c *command) error {
	r := searchReader{in: c.args}
	ok := r.search(&s.request)
	s.request.modSeqs.search = r.modSeq
	if !ok {
		return &refusal{tag: c.tag, reply: "BAD Not a search that is known here"}
	}
	c.args = r.out.String()
	return nil
}

// search reads all of the arguments.
func (r *searchReader) search(req *request) bool {
	if rest, ok := cutPrefixFold(r.in, " RETURN "); ok {
		options, keys, ok := strings.Cut(rest, ")")
		if !ok || !strings.HasPrefix(options, "(") {
			return false
		}
		r.out.WriteString(" RETURN " + options + ")")
		req.saveOnly = strings.EqualFold(strings.TrimSpace(options[1:]), "SAVE")
		r.in = keys
	}
	if rest, ok := cutPrefixFold(r.in, " CHARSET "); ok {
		charset, rest, ok := takeString(rest)
		if !ok {
			return false
		}
		r.out.WriteString(" CHARSET ")
		r.out.Write(appendQuoted(nil, charset))
		r.in = rest
	}
	for first := true; ; first = false {
		if strings.Trim(r.in, " ") == "" {
			return !first
		}
		if !r.space() || !r.key(0) {
			return false
		}
	}
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

func (r *searchReader) space() bool {
	rest, ok := strings.CutPrefix(r.in, " ")
	if ok {
		r.in = strings.TrimLeft(rest, " ")
		r.out.WriteByte(' ')
	}
	return ok
}

// key reads one search key (RFC 9051 6.4.4.4).
func (r *searchReader) key(depth int) bool {
	if r.keys++; r.keys > maxSearchKeys || depth > maxSearchDepth {
		return false
	}
	if strings.HasPrefix(r.in, "(") {
		return r.list(depth)
	}
	word, ok := r.word()
	if !ok {
		return false
	}
	switch word = strings.ToUpper(word); word {
	case "ALL", "ANSWERED", "DELETED", "DRAFT", "FLAGGED", "RECENT", "SEEN", "UNANSWERED", "UNDELETED", "UNDRAFT",
		"UNFLAGGED", "UNSEEN", "NEW", "OLD", "$":
		r.out.WriteString(word)
		return true
	case "BCC", "CC", "FROM", "SUBJECT", "TO", "BODY", "TEXT":
		r.out.WriteString(word)
		return r.space() && r.text()
	case "HEADER":
		r.out.WriteString(word)
		return r.space() && r.text() && r.space() && r.text()
	case "KEYWORD", "UNKEYWORD", "UID":
		return r.wordOf(word, func(w string) bool { return isKeyword(w) || word == "UID" && isSet(w) })
	case "SINCE", "BEFORE", "ON", "SENTSINCE", "SENTBEFORE", "SENTON":
		r.out.WriteString(word)
		return r.space() && r.date()
	case "LARGER":
		return r.wordOf(word, isSize)
	case "SMALLER":
		return r.smaller()
	case "MODSEQ":
		return r.modSeqKey()
	case "NOT":
		r.out.WriteString(word)
		return r.space() && r.key(depth+1)
	case "OR":
		r.out.WriteString(word)
		return r.space() && r.key(depth+1) && r.space() && r.key(depth+1)
	}
	r.out.WriteString(word)
	return isSet(word)
}

func (r *searchReader) list(depth int) bool {
	r.in = r.in[1:]
	r.out.WriteByte('(')
	for {
		if !r.key(depth + 1) {
			return false
		}
		if rest, ok := strings.CutPrefix(r.in, ")"); ok {
			r.in = rest
			r.out.WriteByte(')')
			return true
		}
		if !r.space() {
			return false
		}
	}
}

// smaller says SMALLER in words that the library keeps.
func (r *searchReader) smaller() bool {
	r.in = strings.TrimLeft(r.in, " ")
	word, ok := r.word()
	n, err := strconv.ParseInt(word, 10, 64)
	switch {
	case !ok || err != nil || n < 0:
		return false
	case n <= 1: // a message has an octet
		r.out.WriteString("NOT ALL")
	default:
		r.out.WriteString("NOT LARGER " + itoa(n-1))
	}
	return true
}

func (r *searchReader) wordOf(key string, good func(string) bool) bool {
	r.out.WriteString(key)
	if !r.space() {
		return false
	}
	word, ok := r.word()
	r.out.WriteString(word)
	return ok && good(word)
}

// word takes what ends at a space or bracket.
func (r *searchReader) word() (string, bool) {
	i := strings.IndexAny(r.in, ` ()"`)
	if i < 0 {
		i = len(r.in)
	}
	word := r.in[:i]
	r.in = r.in[i:]
	return word, word != ""
}

// text takes a string and writes it quoted.
func (r *searchReader) text() bool {
	var value string
	var ok bool
	if strings.HasPrefix(r.in, `"`) {
		value, r.in, ok = takeString(r.in)
	} else {
		value, ok = r.word()
	}
	r.out.Write(appendQuoted(nil, value))
	return ok
}

func (r *searchReader) date() bool {
	var value string
	var ok bool
	if strings.HasPrefix(r.in, `"`) {
		value, r.in, ok = takeString(r.in)
	} else {
		value, ok = r.word()
	}
	r.out.WriteString(value)
	_, err := time.Parse("2-Jan-2006", value)
	return ok && err == nil
}

func isSize(s string) bool {
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil && s[0] != '-' && s[0] != '+'
}

// isSet tells whether s is a set of numbers (RFC 9051 9, sequence-set).
func isSet(s string) bool {
	if s == "$" {
		return true
	}
	for _, r := range strings.Split(s, ",") {
		from, to, isRange := strings.Cut(r, ":")
		if !isNumber(from) || isRange && !isNumber(to) {
			return false
		}
	}
	return true
}

func isNumber(s string) bool {
	if s == "*" {
		return true
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return err == nil && n > 0 && s[0] != '0' && s[0] != '+'
}
