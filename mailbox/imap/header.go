package imap

import (
	"bytes"
	"iter"
	"strings"
)

// maxField bounds a field's value that is looked into; of a longer one the rest is not read.
const maxField = 64 << 10

// splitHeader cuts a message behind the empty line that ends its header.
func splitHeader(content []byte) (header, body []byte) {
	for rest := content; len(rest) > 0; {
		var line []byte
		line, rest = cutLine(rest)
		if len(trimLineEnd(line)) == 0 && line[len(line)-1] == '\n' {
			return content[:len(content)-len(rest)], rest
		}
	}
	return content, content[len(content):]
}

// fields yields the fields of a header: the name, and all of it with its name and line ends. A line that is no
// field has an empty name.
func fields(header []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for len(header) > 0 {
			line, rest := cutLine(header)
			if len(trimLineEnd(line)) == 0 {
				return
			}
			end := len(line)
			for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
				line, rest = cutLine(rest)
				end += len(line)
			}
			field := header[:end]
			header = rest
			if !yield(fieldName(field), field) {
				return
			}
		}
	}
}

func fieldName(field []byte) string {
	i := bytes.IndexByte(field, ':')
	if i <= 0 || i > 200 {
		return ""
	}
	return string(bytes.TrimRight(field[:i], " \t"))
}

// fieldValue returns the value of the first field of that name, unfolded.
func fieldValue(header []byte, name string) (string, bool) {
	for n, field := range fields(header) {
		if strings.EqualFold(n, name) {
			return unfold(field), true
		}
	}
	return "", false
}

// unfold returns a field's value on one line, without blanks round it.
func unfold(field []byte) string {
	value := field[bytes.IndexByte(field, ':')+1:]
	if len(value) > maxField {
		value = value[:maxField]
	}
	if bytes.IndexByte(value, '\n') >= 0 || bytes.IndexByte(value, '\r') >= 0 || bytes.IndexByte(value, 0) >= 0 {
		b := make([]byte, 0, len(value))
		for _, c := range value {
			if c != '\r' && c != '\n' && c != 0 {
				b = append(b, c)
			}
		}
		value = b
	}
	return string(bytes.TrimSpace(value))
}

// pickFields returns a header of the named fields alone, or of all others, with an empty line at its end.
func pickFields(header []byte, names []string, others bool) []byte {
	var picked []byte
	for name, field := range fields(header) {
		if containsFold(names, name) != others {
			picked = append(picked, field...)
		}
	}
	if n := len(picked); n > 0 && picked[n-1] != '\n' {
		picked = append(picked, "\r\n"...)
	}
	return append(picked, "\r\n"...)
}

func containsFold(list []string, s string) bool {
	for _, e := range list {
		if strings.EqualFold(e, s) {
			return true
		}
	}
	return false
}
