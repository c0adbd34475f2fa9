package message

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// CleanText makes untrusted text fit to be kept and shown: at most limit bytes, valid UTF-8, no
// control or invisible formatting characters but "\n" between lines. What is taken out leaves a
// "?", so that nobody is told something else than what was said. Text that is clean already is
// returned as it is, without allocation.
func CleanText(s string, limit int) string { return clean(s, limit, '\n') }

// CleanLine is CleanText with a space for each line break, for places that hold one line.
func CleanLine(s string, limit int) string { return clean(s, limit, ' ') }

func clean(s string, limit int, newline byte) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && (c != '\n' || newline != '\n') || c >= 0x7f {
			return cleanSlow(s, limit, newline)
		}
	}
	if len(s) > limit {
		return s[:max(limit, 0)]
	}
	return s
}

func cleanSlow(s string, limit int, newline byte) string {
	var b strings.Builder
	b.Grow(min(len(s), max(limit, 0)))
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		bad := r == utf8.RuneError && n == 1
		switch {
		case r == '\r' && strings.HasPrefix(s, "\r\n"):
			s = s[1:]
			continue
		case r == '\n':
			r = rune(newline)
		case r == '\t':
			r = ' '
		case bad, unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == '\u2028', r == '\u2029':
			r = '?'
		}
		s = s[n:]
		if b.Len()+utf8.RuneLen(r) > limit {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}
