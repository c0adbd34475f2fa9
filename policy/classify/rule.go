package classify

import (
	"fmt"

	"github.com/posthaste-mta/posthaste/message"
)

// Rule is one line of a file.
type Rule struct {
	Class Class
	File  string
	Line  int

	code     int // a basic code, or 4 or 5 for all that begin with it; 0 for any
	subject  int // of the enhanced code; any or a number
	detail   int
	words    []string // each is a part of the text
	phrases  []uint16 // the words' numbers in the automaton
	examples []example
}

const anyNumber = -1

// Place names the rule, as "rules/10-gmail.txt:12".
func (r *Rule) Place() string { return fmt.Sprintf("%s:%d", r.File, r.Line) }

// fitsCode tells whether the rule is about a reply with these codes.
func (r *Rule) fitsCode(s *message.Status) bool {
	switch {
	case r.code >= 10 && r.code != s.Code, r.code > 0 && r.code < 10 && r.code != s.Code/100:
		return false
	case r.subject == anyNumber:
		return true
	case s.Enhanced == message.EnhancedCode{}: // none
		return false
	default:
		return r.subject == s.Enhanced[1] && (r.detail == anyNumber || r.detail == s.Enhanced[2])
	}
}

// example is a reply that the rule must decide.
type example struct {
	line   int
	status message.Status
}
