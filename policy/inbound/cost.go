package inbound

import (
	"bytes"

	"github.com/posthaste-mta/posthaste/message"
)

// The library's work grows with a product of two sizes in three places. A message beyond these
// bounds was made to keep us busy, and its signatures are not looked at.
const (
	// maxPicks bounds the header fields gone through to find those that a signature covers.
	maxPicks = 100_000
	// maxFolds bounds lines times octets of the header fields: each line is added to a copy of those before.
	maxFolds = 256 << 20
	// maxBlank bounds a run of empty lines in the body, in octets: it is copied for each piece read.
	maxBlank = 64 << 10
)

// tooDear tells why the signatures of a message cost too much to verify; "" if they do not.
func tooDear(content []byte, signatures []message.Field) string {
	fields, folds := 0, 0
	for f := range message.Fields(content) {
		fields++
		folds += (f.End - f.Start) * bytes.Count(content[f.Start:f.End], []byte("\n"))
	}
	if folds > maxFolds {
		return "too many folded lines in the header"
	}
	for _, s := range signatures {
		if fields*(1+bytes.Count(content[s.Start:s.End], []byte(":"))) > maxPicks {
			return "too many header fields are signed"
		}
	}
	if hasBlankRun(content[message.HeaderEnd(content):]) {
		return "too many empty lines in a row"
	}
	return ""
}

// hasBlankRun tells whether body has more empty lines in a row than we want to deal with.
func hasBlankRun(body []byte) bool {
	for step := []byte("\r\n\r\n\r\n\r\n"); ; {
		at := bytes.Index(body, step)
		if at < 0 {
			return false
		}
		body = body[at:]
		end := 0
		for end+1 < len(body) && body[end] == '\r' && body[end+1] == '\n' {
			end += 2
		}
		if end > maxBlank {
			return true
		}
		body = body[end:]
	}
}
