package message

import "encoding/base64"

// textEncoding chooses the encoding for text: quoted-printable, which can be read without decoding, unless base64 is
// clearly shorter.
func textEncoding(text []byte) string {
	escapes := 0
	for i := range text {
		if escaped(text, i) {
			escapes++
		}
	}
	if escapes > 20+len(text)/6 {
		return "base64"
	}
	return "quoted-printable"
}

// encodedLine is the longest line of both encodings, in bytes without its CRLF (RFC 2045 6.7, 6.8).
const encodedLine = 76

// appendBase64 appends data in lines; the last one is not ended.
func appendBase64(out, data []byte) []byte {
	const most = encodedLine / 4 * 3
	for len(data) > most {
		out = base64.StdEncoding.AppendEncode(out, data[:most])
		out = append(out, "\r\n"...)
		data = data[most:]
	}
	return base64.StdEncoding.AppendEncode(out, data)
}

// appendQuotedPrintable appends text, of which only CRLF is taken for a line end. No line begins with two dashes: what an
// encoder writes, such as the start of a line that it has cut, must not become a delimiter of parts.
func appendQuotedPrintable(out, text []byte) []byte {
	used := 0 // of the line
	for i := 0; i < len(text); {
		c := text[i]
		lineEnds := c == '\r' && i+1 < len(text) && text[i+1] == '\n'
		if lineEnds {
			out, used = append(out, "\r\n"...), 0
			i += 2
			continue
		}
		plain, need := true, 1
		if escaped(text, i) {
			plain, need = false, 3
		}
		if used+need >= encodedLine { // the last place is for the "=" of a soft line break
			out, used = append(out, "=\r\n"...), 0
		}
		if used == 0 && c == '-' && i+1 < len(text) && text[i+1] == '-' {
			plain, need = false, 3
		}
		if plain {
			out = append(out, c)
		} else {
			out = append(out, '=', upperHex[c>>4], upperHex[c&15])
		}
		used += need
		i++
	}
	return out
}

// escaped tells whether quoted-printable writes text[i] as an escape, wherever its lines are cut.
func escaped(text []byte, i int) bool {
	switch c := text[i]; {
	case !literal[c]:
		return true
	case c > '-': // as nearly all are
		return false
	case isBlank(c):
		return atLineEnd(text[i+1:])
	case c == '\r':
		return i+1 == len(text) || text[i+1] != '\n'
	case c == '\n':
		return i == 0 || text[i-1] != '\r'
	case c == '-':
		return i+1 < len(text) && text[i+1] == '-' && (i == 0 || text[i-1] == '\n')
	}
	return false
}

// atLineEnd tells whether rest is where a line ends: blanks there would be lost on the way.
func atLineEnd(rest []byte) bool {
	return len(rest) == 0 || rest[0] == '\r' && len(rest) > 1 && rest[1] == '\n'
}

// literal is what quoted-printable leaves as it is. CR and LF are in it as parts of line ends.
var literal = func() (t [256]bool) {
	for c := ' '; c <= '~'; c++ {
		t[c] = c != '='
	}
	t['\t'], t['\r'], t['\n'] = true, true, true
	return t
}()
