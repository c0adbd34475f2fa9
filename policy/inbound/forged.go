package inbound

import (
	"bytes"
	"slices"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

// Clean returns content without the fields that only we may have written: Authentication-Results under one of our names
// (RFC 8601 5) and verdicts. It returns content itself if there are none, else a copy. Signatures must have been
// verified before: they may cover such a field.
func (c *Checker) Clean(content []byte) []byte {
	out, kept := content, 0
	for f := range message.Fields(content) {
		if !c.isForged(content, f) {
			continue
		}
		if kept == 0 {
			out = make([]byte, 0, len(content))
		}
		out = append(out, content[kept:f.Start]...)
		kept = f.End
	}
	if kept == 0 {
		return content
	}
	return append(out, content[kept:]...)
}

func (c *Checker) isForged(content []byte, f message.Field) bool {
	if f.Is(content, VerdictField) {
		return true
	}
	if !f.Is(content, "Authentication-Results") {
		return false
	}
	value := f.Value(content)
	id, ok := authservID(value)
	if !ok { // no reader knows whose it is, but some may guess
		lower := bytes.ToLower(value)
		return slices.ContainsFunc(c.ids, func(ours string) bool { return bytes.Contains(lower, []byte(ours)) })
	}
	return slices.Contains(c.ids, strings.TrimSuffix(strings.ToLower(id), "."))
}

// authservID returns the name that an Authentication-Results field starts with (RFC 8601 2.2): a token or
// quoted string, with white space and comments before it. ok is false for a field that is not well-formed so far.
func authservID(value []byte) (id string, ok bool) {
	if value, ok = skipComments(value); !ok || len(value) == 0 {
		return "", false
	}
	if value[0] == '"' {
		id, value, ok = cutQuoted(value[1:])
	} else {
		end := 0
		for end < len(value) && isToken(string(value[end])) || end < len(value) && value[end] >= 0x80 {
			end++
		}
		id, value, ok = string(value[:end]), value[end:], end > 0
	}
	if !ok || id == "" {
		return "", false
	}
	// Behind the name: nothing, white space, a comment, or the first result.
	return id, len(value) == 0 || strings.IndexByte(" \t\r\n(;", value[0]) >= 0
}

// skipComments returns v behind white space and comments.
func skipComments(v []byte) ([]byte, bool) {
	depth := 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '\\' && depth > 0:
			i++
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n':
			return v[i:], true
		}
	}
	return nil, depth == 0
}

// cutQuoted returns the inside of the quoted string whose opening quote is just before v, and what follows it.
func cutQuoted(v []byte) (inside string, rest []byte, ok bool) {
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case '"':
			return b.String(), v[i+1:], true
		case '\\':
			if i++; i == len(v) {
				return "", nil, false
			}
		case '\r', '\n':
			continue
		}
		b.WriteByte(v[i])
	}
	return "", nil, false
}
