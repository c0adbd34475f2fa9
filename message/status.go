package message

import (
	"fmt"
	"strconv"
)

// Status is one SMTP outcome, the same value from the wire to the disk to the report: a basic
// code (RFC 5321 4.2), an enhanced code (RFC 3463) and the words that came with it.
type Status struct {
	// Code is the basic reply code, 200 to 599. 0 means nothing has happened yet.
	Code int
	// Enhanced is the code of RFC 3463 as class, subject, detail; all zero when the peer gave none.
	Enhanced EnhancedCode
	// Text is the peer's words (lines joined by "\n"), or ours when Remote is false. It is
	// untrusted when Remote is true: escape it wherever it is shown.
	Text string
	// Remote tells whether a peer said it (Diagnostic-Code: smtp) or we concluded it.
	Remote bool
}

// EnhancedCode is a status code of RFC 3463: class, subject, detail.
type EnhancedCode [3]int

// String returns the code in dotted form, or "" if there is none.
func (e EnhancedCode) String() string {
	if e == (EnhancedCode{}) {
		return ""
	}
	return strconv.Itoa(e[0]) + "." + strconv.Itoa(e[1]) + "." + strconv.Itoa(e[2])
}

// Positive, Temporary and Permanent tell the class of the reply (RFC 5321 4.2.1).
func (s Status) Positive() bool  { return s.Code >= 200 && s.Code < 300 }
func (s Status) Temporary() bool { return s.Code >= 400 && s.Code < 500 }
func (s Status) Permanent() bool { return s.Code >= 500 && s.Code < 600 }

// WithEnhanced returns the enhanced code, or when there is none the one that says no more than
// the basic code does: x.0.0.
func (s Status) WithEnhanced() EnhancedCode {
	if s.Enhanced != (EnhancedCode{}) {
		return s.Enhanced
	}
	return EnhancedCode{s.Code / 100, 0, 0}
}

// String returns the status as it would stand in a reply, such as "550 5.1.1 no such user".
func (s Status) String() string {
	if e := s.Enhanced.String(); e != "" {
		return fmt.Sprintf("%03d %s %s", s.Code, e, s.Text)
	}
	return fmt.Sprintf("%03d %s", s.Code, s.Text)
}

// Error makes a Status usable as the error of a step that failed.
func (s Status) Error() string { return s.String() }
