package smtp

import (
	"bytes"

	"github.com/posthaste-mta/posthaste/message"
)

// clientWords remembers the last reply to each command that was answered positively. A peer says
// the same words for every message, and so they are made into a Status once.
type clientWords [3]struct {
	raw    []byte
	status message.Status
}

const (
	wordsMail = iota
	wordsRcpt
	wordsData
	// wordsMax bounds what is kept of a reply for comparison, in bytes.
	wordsMax = 256
)

// status returns rep's status.
func (w *clientWords) status(kind int, rep reply) message.Status {
	last := &w[kind]
	if len(last.raw) > 0 && bytes.Equal(last.raw, rep.raw) {
		return last.status
	}
	st := rep.status()
	if len(rep.raw) <= wordsMax {
		last.raw = append(last.raw[:0], rep.raw...)
		last.status = st
	}
	return st
}
