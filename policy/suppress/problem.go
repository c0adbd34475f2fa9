package suppress

import (
	"errors"
	"fmt"
	"strings"
)

// Problem is what is wrong with a line of an imported file.
type Problem struct {
	Line  int    // from 1
	Field string // its name; "" if it is the line as a whole
	Err   error
}

// String says it in one line.
func (p Problem) String() string {
	if p.Field == "" {
		return fmt.Sprintf("line %d: %v", p.Line, p.Err)
	}
	return fmt.Sprintf("line %d: %s: %v", p.Line, p.Field, p.Err)
}

// ImportError tells why nothing of a file was imported.
type ImportError struct {
	// Problems are the first ones.
	Problems []Problem
	// Unread tells that the rest of the file was not looked at: there may be more.
	Unread bool
}

const maxProblems = 20

// Error tells all problems, one a line.
func (e *ImportError) Error() string {
	var b strings.Builder
	b.WriteString("suppress: nothing was imported")
	for _, p := range e.Problems {
		b.WriteString("\n" + p.String())
	}
	if e.Unread {
		b.WriteString("\nthe lines behind were not read")
	}
	return b.String()
}

// add notes what is wrong with a line; it returns false if that is enough.
func (e *ImportError) add(line int, err error) bool {
	p := Problem{Line: line, Err: err}
	if f, ok := errors.AsType[*FieldError](err); ok {
		p.Field, p.Err = f.Field, f.Err
	}
	e.Problems = append(e.Problems, p)
	e.Unread = len(e.Problems) == maxProblems
	return !e.Unread
}
