package dkim

import (
	"bytes"
	"crypto/sha256"
	"hash"
)

// bodyHash returns the SHA-256 of body in relaxed form (RFC 6376 3.4.4): no white space at the end
// of a line, runs of it as one space, no empty lines at the end, and a CRLF behind the last line
// unless nothing is left. Lines end with CRLF.
//
// Lines that are in that form already, which is nearly all, are hashed where they lie.
func bodyHash(body []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	body, ended := trimEnd(body)
	var scratch []byte
	pending := 0 // up to here body is hashed
	for at := 0; at < len(body); {
		next := len(body)
		if n := bytes.IndexByte(body[at:], '\n'); n >= 0 {
			next = at + n + 1
		}
		if line := body[at:next]; !isRelaxed(line) {
			hashNonEmpty(h, body[pending:at])
			scratch = appendRelaxedLine(scratch[:0], line)
			h.Write(scratch)
			pending = next
		}
		at = next
	}
	hashNonEmpty(h, body[pending:])
	if len(body) > 0 && !ended {
		h.Write([]byte("\r\n"))
	}
	h.Sum(sum[:0])
	return sum
}

func hashNonEmpty(h hash.Hash, b []byte) {
	if len(b) > 0 {
		h.Write(b)
	}
}

// trimEnd cuts off the lines at the end that hold white space at most. ended tells whether what is
// left ends with CRLF.
func trimEnd(body []byte) (rest []byte, ended bool) {
	text := bytes.TrimRight(body, " \t\r\n")
	if n := bytes.Index(body[len(text):], []byte("\r\n")); n >= 0 && len(text) > 0 {
		return body[:len(text)+n+2], true
	}
	return text, false
}

var twoSpaces = []byte("  ")

// isRelaxed tells whether a line, with its CRLF if it has one, stays as it is.
func isRelaxed(line []byte) bool {
	text := bytes.TrimSuffix(line, []byte("\r\n"))
	n := len(text)
	return n == 0 || text[n-1] != ' ' && bytes.IndexByte(text, '\t') < 0 && !bytes.Contains(text, twoSpaces)
}

func appendRelaxedLine(dst, line []byte) []byte {
	text, ended := bytes.CutSuffix(line, []byte("\r\n"))
	text = bytes.TrimRight(text, " \t")
	blank := false
	for _, b := range text {
		if b == ' ' || b == '\t' {
			if !blank {
				dst = append(dst, ' ')
			}
			blank = true
			continue
		}
		blank = false
		dst = append(dst, b)
	}
	if ended {
		dst = append(dst, '\r', '\n')
	}
	return dst
}
