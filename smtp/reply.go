package smtp

import (
	"bytes"
	"fmt"
	"iter"

	"github.com/posthaste-mta/posthaste/message"
)

// replyMaxText bounds the text of a reply that is kept, in bytes. It goes into every recipient's
// record and into the bounce.
const replyMaxText = 2 << 10

// reply is one reply of a peer, perhaps of several lines (RFC 5321 4.2.1). It points into the
// reader's buffer and is good until the next read.
type reply struct {
	code int
	raw  []byte // all its lines with codes and line ends
}

// parseReply finds the reply at the start of b. n is its length, or 0 if b holds only the
// beginning of one; an error means that b cannot become a reply.
//
// Missing text and line ends of LF alone are tolerated. Lines of one reply may differ in their code as
// long as the class is the same, since such peers exist and the last line is then what they mean;
// "550-no" followed by "250 yes" could be read either way and is an error.
func parseReply(b []byte, maxLines int) (r reply, n int, err error) {
	for lines := 1; ; lines++ {
		line := b[n:]
		end := bytes.IndexByte(line, '\n')
		if end >= 0 {
			line = line[:end]
		}
		code, more, err := parseReplyLine(line, end >= 0)
		if err != nil {
			return reply{}, 0, err
		}
		if r.code != 0 && code != 0 && r.code/100 != code/100 {
			return reply{}, 0, fmt.Errorf("%w: reply changes from %d to %d", ErrProtocol, r.code, code)
		}
		if end < 0 {
			return reply{}, 0, nil
		}
		n += end + 1
		if !more {
			return reply{code: code, raw: b[:n]}, n, nil
		}
		if lines == maxLines {
			return reply{}, 0, fmt.Errorf("%w: reply of more than %d lines", ErrProtocol, maxLines)
		}
		r.code = code
	}
}

// parseReplyLine reads the code and whether another line follows. line is without its LF. If it
// is not whole yet, what there is of it is checked all the same, so that a peer of another
// protocol is noticed at its first bytes; code is then 0 until three digits are there.
func parseReplyLine(line []byte, whole bool) (code int, more bool, err error) {
	bad := func() (int, bool, error) {
		return 0, false, fmt.Errorf("%w: %q is no reply", ErrProtocol, line[:min(len(line), 40)])
	}
	for i, c := range line[:min(len(line), 3)] {
		if c < '0' || c > '9' || (i == 0 && (c < '2' || c > '5')) {
			return bad()
		}
	}
	if len(line) < 3 {
		if whole {
			return bad()
		}
		return 0, false, nil
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 {
		return code, false, nil
	}
	switch line[3] {
	case '-':
		return code, true, nil
	case ' ', '\t', '\r':
		return code, false, nil
	}
	return bad()
}

// lines yields the text of each line, without code, line end and surrounding blanks.
func (r reply) lines() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for line := range bytes.Lines(r.raw) {
			line = bytes.TrimRight(line, "\r\n")
			if !yield(bytes.Trim(line[min(len(line), 4):], " \t")) {
				return
			}
		}
	}
}

// status makes a Status of the reply, with an enhanced code taken off each line's start and the text
// made fit to be kept.
func (r reply) status() message.Status {
	st := message.Status{Code: r.code, Remote: true}
	var text []byte
	first := true
	for line := range r.lines() {
		e, rest := cutEnhancedCode(line, r.code)
		if first {
			st.Enhanced = e
		} else {
			text = append(text, '\n')
		}
		if e == st.Enhanced {
			line = rest
		}
		if text == nil {
			text = line[:len(line):len(line)] // no copy for the usual single line
		} else {
			text = append(text, line...)
		}
		first = false
	}
	st.Text = message.CleanText(string(text), replyMaxText)
	return st
}

// cutEnhancedCode takes a code of RFC 3463 off the start of a reply line. One whose class is not
// that of the basic code is taken for text (RFC 2034 4 forbids it), so that "550 4.7.1" cannot be
// temporary to one reader and permanent to another.
func cutEnhancedCode(line []byte, code int) (e message.EnhancedCode, rest []byte) {
	rest = line
	for i := range e {
		digits := 0
		for digits < len(rest) && digits < 3 && rest[digits] >= '0' && rest[digits] <= '9' {
			e[i] = e[i]*10 + int(rest[digits]-'0')
			digits++
		}
		rest = rest[digits:]
		if digits == 0 {
			return message.EnhancedCode{}, line
		}
		if i < 2 {
			if len(rest) == 0 || rest[0] != '.' {
				return message.EnhancedCode{}, line
			}
			rest = rest[1:]
		}
	}
	if e[0] != code/100 || (len(rest) > 0 && rest[0] != ' ' && rest[0] != '\t') {
		return message.EnhancedCode{}, line
	}
	return e, bytes.TrimLeft(rest, " \t")
}
