package imap

import (
	"slices"
	"strconv"
	"strings"
)

// The library knows nothing of CONDSTORE and QRESYNC (RFC 7162), and has no place to plug them in. But it gets whole
// commands from us, and the responses that matter are written by us: so what it does not know is taken
// out of a command here and kept in the request, and what it writes itself is completed in amend.

// modSeqs is what a command says about mod-sequences.
type modSeqs struct {
	item       bool // FETCH MODSEQ
	since      uint64
	hasSince   bool   // FETCH CHANGEDSINCE
	vanished   bool   // FETCH VANISHED
	before     uint64 // STORE UNCHANGEDSINCE
	hasBefore  bool
	search     bool    // SEARCH MODSEQ
	status     bool    // STATUS HIGHESTMODSEQ
	resync     *resync // SELECT QRESYNC
	wanted     bool    // SELECT CONDSTORE
	enabled    []string
	highest    uint64 // what the answer tells, with search and status
	beforeDone []byte // output that belongs right before the tagged answer
}

// resync is what a client knows of a folder from before (RFC 7162 3.2.5).
type resync struct {
	validity uint32
	modSeq   uint64
	known    string // a set of UIDs; empty: all
}

// cutValue takes a value off the begin of s: a list, a string, or an atom with what it has in [].
func cutValue(s string) (value, rest string) {
	depth, square, quoted := 0, 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return s[:i], s[i:]
			}
		case c == '[':
			square++
		case c == ']':
			square--
		case c == ' ' && depth == 0 && square <= 0:
			return s[:i], s[i:]
		}
	}
	return s, ""
}

// values returns the values of a list in brackets.
func values(list string) ([]string, bool) {
	inner, ok := strings.CutPrefix(list, "(")
	inner, ok2 := strings.CutSuffix(inner, ")")
	if !ok || !ok2 {
		return nil, false
	}
	var all []string
	for inner = strings.Trim(inner, " "); inner != ""; inner = strings.TrimLeft(inner, " ") {
		var v string
		if v, inner = cutValue(inner); v == "" {
			return nil, false
		}
		all = append(all, v)
	}
	return all, true
}

func parseModSeq(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return n, err == nil && s[0] != '+'
}

// enable takes CONDSTORE and QRESYNC out of ENABLE.
func (m *modSeqs) enable(args string) string {
	var others string
	for _, word := range strings.Fields(args) {
		switch name := strings.ToUpper(word); name {
		case "CONDSTORE", "QRESYNC":
			if !slices.Contains(m.enabled, name) {
				m.enabled = append(m.enabled, name)
			}
		default:
			others += " " + word
		}
	}
	return others
}

// selectParams takes the parameters off SELECT and EXAMINE.
func (m *modSeqs) selectParams(args string) (string, bool) {
	name, rest := cutValue(strings.TrimPrefix(args, " "))
	params, isList := values(strings.Trim(rest, " "))
	if !isList {
		return args, true // the library judges
	}
	for i := 0; i < len(params); i++ {
		switch strings.ToUpper(params[i]) {
		case "CONDSTORE":
			m.wanted = true
		case "QRESYNC":
			i++
			if i == len(params) || !m.readResync(params[i]) {
				return args, false
			}
		default:
			return args, false
		}
	}
	return " " + name, true
}

func (m *modSeqs) readResync(list string) bool {
	v, ok := values(list)
	if !ok || len(v) < 2 || len(v) > 4 {
		return false
	}
	validity, err := strconv.ParseUint(v[0], 10, 32)
	modSeq, ok := parseModSeq(v[1])
	if err != nil || !ok {
		return false
	}
	m.resync = &resync{validity: uint32(validity), modSeq: modSeq}
	if len(v) > 2 && !strings.HasPrefix(v[2], "(") {
		if m.resync.known = v[2]; !isSet(v[2]) || strings.ContainsAny(v[2], "*$") {
			return false
		}
	}
	return true // the numbers that the client knows besides would save us octets, no more
}

// fetch takes MODSEQ and the modifiers out of FETCH.
func (m *modSeqs) fetch(args string) (string, bool) {
	set, rest := cutWord(strings.TrimPrefix(args, " "))
	items, rest := cutValue(strings.TrimPrefix(rest, " "))
	if list, ok := values(items); ok && strings.HasPrefix(items, "(") {
		others := slices.DeleteFunc(slices.Clone(list), func(v string) bool { return strings.EqualFold(v, "MODSEQ") })
		if m.item = len(others) < len(list); m.item {
			if len(others) == 0 {
				others = []string{"UID"}
			}
			items = "(" + strings.Join(others, " ") + ")"
		}
	} else if strings.EqualFold(items, "MODSEQ") {
		items, m.item = "UID", true
	}
	if mods, ok := values(strings.Trim(rest, " ")); ok {
		rest = ""
		for i := 0; i < len(mods); i++ {
			switch strings.ToUpper(mods[i]) {
			case "CHANGEDSINCE":
				i++
				if i == len(mods) {
					return args, false
				}
				if m.since, m.hasSince = parseModSeq(mods[i]); !m.hasSince {
					return args, false
				}
			case "VANISHED":
				m.vanished = true
			default:
				return args, false
			}
		}
		if m.vanished && !m.hasSince {
			return args, false
		}
	}
	m.item = m.item || m.hasSince
	return " " + set + " " + items + rest, true
}

// store takes UNCHANGEDSINCE out of STORE.
func (m *modSeqs) store(args string) (string, bool) {
	set, rest := cutWord(strings.TrimPrefix(args, " "))
	mods, after := cutValue(strings.TrimPrefix(rest, " "))
	list, ok := values(mods)
	if !ok {
		return args, true
	}
	if len(list) != 2 || !strings.EqualFold(list[0], "UNCHANGEDSINCE") {
		return args, false
	}
	m.before, m.hasBefore = parseModSeq(list[1])
	return " " + set + after, m.hasBefore
}

// statusItems takes HIGHESTMODSEQ out of STATUS, or of the STATUS in a LIST.
func (m *modSeqs) statusItems(args string) string {
	from := 0
	if i := strings.LastIndex(strings.ToUpper(args), "STATUS ("); i >= 0 {
		from = i
	} else if i := strings.LastIndexByte(args, '('); i >= 0 {
		from = i
	}
	open := strings.IndexByte(args[from:], '(')
	if open < 0 {
		return args
	}
	open += from
	list, rest := cutValue(args[open:])
	items, ok := values(list)
	if !ok {
		return args
	}
	others := slices.DeleteFunc(slices.Clone(items), func(v string) bool { return strings.EqualFold(v, "HIGHESTMODSEQ") })
	if len(others) == len(items) {
		return args
	}
	m.status = true
	return args[:open] + "(" + strings.Join(others, " ") + ")" + rest
}
