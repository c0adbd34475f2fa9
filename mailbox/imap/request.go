package imap

import "strings"

// request is what a command says that the library does not hand on.
type request struct {
	name     string
	sections []string // FETCH: the names of the items with octets, in their order: BODY, or RFC822.TEXT and the like
	body     bool     // FETCH: BODY, the structure without extension data
	full     bool     // FETCH: BODYSTRUCTURE
	saveOnly bool     // SEARCH RETURN (SAVE): no result is sent (RFC 9051 6.4.4.1)
	modSeqs  modSeqs
}

// prepare looks at a command before the library does, and may change it.
func (s *session) prepare(c *command) error {
	s.request = request{name: c.name}
	m, ok := &s.request.modSeqs, true
	if s.utf8 && takesNames(c.name) { // written by this goroutine alone
		c.args = shiftAmpersands(c.args)
	}
	switch c.name {
	case "FETCH", "UID FETCH":
		c.args, ok = m.fetch(c.args)
		s.request.readItems(c.args)
	case "STORE", "UID STORE":
		c.args, ok = m.store(c.args)
	case "SEARCH", "UID SEARCH":
		return s.prepareSearch(c)
	case "SELECT", "EXAMINE":
		c.args, ok = m.selectParams(c.args)
	case "STATUS", "LIST":
		c.args = m.statusItems(c.args)
	case "ENABLE":
		c.args = m.enable(c.args)
		s.enable(c.args)
	}
	if !ok || !s.mayResync(m) {
		return &refusal{tag: c.tag, reply: "BAD Modifier that is not known here"}
	}
	return nil
}

// enable notes what the library enables.
func (s *session) enable(args string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range strings.Fields(args) {
		switch strings.ToUpper(name) {
		case "IMAP4REV2":
			s.rev2, s.utf8 = true, true
		case "UTF8=ACCEPT":
			s.utf8 = true
		}
	}
}

// readItems reads the names of the items of a FETCH. The library tells what they mean, but not which of several
// names the client used, and that is the one it waits for.
func (r *request) readItems(args string) {
	_, args = cutWord(strings.TrimPrefix(args, " ")) // the set
	for args != "" {
		i := strings.IndexAny(args, " ()[")
		if i < 0 {
			i = len(args)
		}
		name := strings.ToUpper(args[:i])
		section := i < len(args) && args[i] == '['
		if section {
			args = skipSection(args[i:])
		} else {
			args = args[min(i+1, len(args)):]
		}
		switch {
		case section && strings.HasPrefix(name, "BODY"):
			r.sections = append(r.sections, "BODY")
		case name == "RFC822", name == "RFC822.HEADER", name == "RFC822.TEXT":
			r.sections = append(r.sections, name)
		case name == "RFC822.PEEK":
			r.sections = append(r.sections, "RFC822")
		case name == "BODY", name == "FULL":
			r.body = true
		case name == "BODYSTRUCTURE":
			r.full = true
		}
	}
}

// skipSection skips [...] with what stands behind it without a space.
func skipSection(s string) string {
	quoted := false
	for i := 1; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && s[i] == ']':
			s = s[i+1:]
			if i := strings.IndexAny(s, " )"); i >= 0 {
				return s[i:]
			}
			return ""
		}
	}
	return ""
}

// amend looks at the library's output before the client gets it.
func (s *session) amend(p []byte) []byte {
	if s.request.saveOnly && strings.HasPrefix(string(p), "* ESEARCH ") {
		s.request.saveOnly = false
		return nil
	}
	if s.utf8 {
		p = plainAmpersands(p)
	}
	return s.request.modSeqs.amend(p, s.gate.command)
}
