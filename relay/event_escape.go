package relay

import (
	"unicode"
	"unicode/utf8"
)

// Longest text of one field in bytes, before escaping. A peer chooses most of these strings; no
// line may grow because one of them likes to talk.
const (
	maxEventText    = 1024 // replies
	maxEventAddress = 400  // addresses: RFC 5321 4.5.3.1 allows 64+1+255
	maxEventName    = 256  // everything else
)

// cut returns at most max bytes of s, never half a character.
func cut(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max]
}

const hexDigits = "0123456789abcdef"

// plainJSON marks the bytes that stand for themselves within a JSON string: printable ASCII
// but the quote and the backslash.
var plainJSON = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendJSONString appends s as a JSON string of at most max bytes of s. Besides what JSON demands
// it escapes every character that is not printable, among them C1 controls and bidirectional
// overrides: people look at this file in terminals. Invalid UTF-8 becomes U+FFFD.
func appendJSONString(b []byte, s string, max int) []byte {
	s = cut(s, max)
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		if plainJSON[s[i]] {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r >= utf8.RuneSelf && r != utf8.RuneError && unicode.IsPrint(r) {
			i += size
			continue
		}
		b = append(b, s[start:i]...)
		b = appendJSONEscape(b, r)
		i += size
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

func appendJSONEscape(b []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	if r > 0xffff { // as a surrogate pair (RFC 8259 7)
		r -= 0x10000
		b = appendHex4(b, 0xd800+r>>10)
		r = 0xdc00 + r&0x3ff
	}
	return appendHex4(b, r)
}

func appendHex4(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// appendPrintable appends s on one line for people and for tools that read lines: line breaks
// become a space, everything else that is not printable a question mark, as in Postfix's logs.
func appendPrintable(b []byte, s string, max int) []byte {
	s = cut(s, max)
	for i := 0; i < len(s); {
		c := s[i]
		if ' ' <= c && c < 0x7f {
			b = append(b, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case c == '\n', c == '\t':
			b = append(b, ' ')
		case c == '\r': // only ever part of a line break
		case r >= utf8.RuneSelf && r != utf8.RuneError && unicode.IsPrint(r):
			b = append(b, s[i:i+size]...)
		default:
			b = append(b, '?')
		}
		i += size
	}
	return b
}

// Printable returns s as one line that is safe to show in a terminal, at most max bytes of it.
func Printable(s string, max int) string { return string(appendPrintable(nil, s, max)) }
