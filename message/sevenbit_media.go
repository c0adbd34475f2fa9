package message

import (
	"bytes"
	"strings"
)

// media is what a Content-Type field says (RFC 2045 5.1), as far as it matters here.
type media struct {
	top, sub string // in lower case
	boundary string // "" if there is none to go by
}

func (m media) is(top, sub string) bool { return m.top == top && m.sub == sub }

// parseMedia reads a Content-Type. What names no type is text/plain (RFC 2045 5.2).
func parseMedia(v []byte) media {
	top, v := cutToken(v)
	v = skipSpace(v)
	if rest, ok := bytes.CutPrefix(v, []byte("/")); ok && top != "" {
		m := media{top: top}
		m.sub, v = cutToken(rest)
		if m.top == "multipart" {
			m.boundary = parseBoundary(v)
		}
		return m
	}
	return media{top: "text", sub: "plain"}
}

// parseBoundary finds the boundary among parameters. One that two readers may take for two things is none: given twice,
// too long, with a backslash, or as RFC 2231 writes it.
func parseBoundary(v []byte) (boundary string) {
	for {
		if v = skipSpace(v); len(v) == 0 {
			return boundary
		}
		if v[0] != ';' {
			return ""
		}
		var name, value string
		if name, v = cutToken(v[1:]); name == "" {
			continue // a semicolon too many, or what the next round gives up at
		}
		v = skipSpace(v)
		if len(v) == 0 || v[0] != '=' {
			return ""
		}
		if value, v = cutValue(v[1:]); name != "boundary" {
			continue
		}
		value = strings.TrimRight(value, " \t")
		if value == "" || len(value) > maxBoundary || strings.ContainsAny(value, `\"`) || boundary != "" && boundary != value {
			return ""
		}
		boundary = value
	}
}

// cutValue cuts a parameter's value off. One without quotes may have characters that want them, as is often seen.
func cutValue(v []byte) (value string, rest []byte) {
	v = skipSpace(v)
	if len(v) == 0 || v[0] != '"' {
		end := bytes.IndexAny(v, "; \t\r\n")
		if end < 0 {
			end = len(v)
		}
		return string(v[:end]), v[end:]
	}
	v = v[1:]
	end := 0
	for end < len(v) && v[end] != '"' {
		if v[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(v) {
		return `"`, nil // without an end
	}
	return strings.NewReplacer("\r", "", "\n", "").Replace(string(v[:end])), v[end+1:]
}

// cutToken cuts a token (RFC 2045 5.1) off, in lower case.
func cutToken(v []byte) (token string, rest []byte) {
	v = skipSpace(v)
	end := 0
	for end < len(v) && v[end] > ' ' && v[end] < 0x7f && strings.IndexByte(`()<>@,;:\"/[]?=`, v[end]) < 0 {
		end++
	}
	return strings.ToLower(string(v[:end])), v[end:]
}

// skipSpace skips white space, folds and comments (RFC 5322 3.2.2).
func skipSpace(v []byte) []byte {
	depth, i := 0, 0
	for ; i < len(v); i++ {
		switch c := v[i]; {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == '\\' && depth > 0:
			i++
		case depth == 0 && !isBlank(c) && c != '\r' && c != '\n':
			return v[i:]
		}
	}
	return nil
}

// transferEncoding is what a Content-Transfer-Encoding field says (RFC 2045 6.1).
type transferEncoding uint8

const (
	encoding7Bit transferEncoding = iota // also when there is no field
	encoding8Bit
	encodingBinary
	encodingQuotedPrintable // this and what follows are not the identity
	encodingBase64
	encodingOther
)

// wide tells that the name stands for data that may need 8BITMIME.
func (e transferEncoding) wide() bool { return e == encoding8Bit || e == encodingBinary }

func parseTransferEncoding(v []byte) transferEncoding {
	name, rest := cutToken(v)
	if rest = skipSpace(rest); len(rest) > 0 && rest[0] != ';' { // parameters, which there are none of, are seen
		return encodingOther
	}
	switch name {
	case "7bit":
		return encoding7Bit
	case "8bit":
		return encoding8Bit
	case "binary":
		return encodingBinary
	case "quoted-printable":
		return encodingQuotedPrintable
	case "base64":
		return encodingBase64
	default:
		return encodingOther
	}
}
