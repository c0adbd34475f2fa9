package message

import (
	"bytes"
	"iter"
)

// Field is one header field of a content, as offsets into it.
type Field struct {
	Start   int // the first byte of the name
	NameEnd int // just behind the name
	End     int // just behind the line end of the field's last line
}

// Name returns the field's name as written.
func (f Field) Name(content []byte) []byte { return content[f.Start:f.NameEnd] }

// Is tells whether the field has that name, in whatever case.
func (f Field) Is(content []byte, name string) bool {
	return f.NameEnd-f.Start == len(name) && equalFoldASCII(content[f.Start:f.NameEnd], name)
}

// Value returns what stands behind the colon without the white space around it. Line breaks of
// folds are still in it.
func (f Field) Value(content []byte) []byte {
	v := content[f.NameEnd:f.End]
	return bytes.Trim(v[bytes.IndexByte(v, ':')+1:], " \t\r\n")
}

// nextField finds the field that starts at start. ok is false where none does: at the blank line,
// at the end, or at a line that is no field, which ends the header just the same (what comes after
// cannot be told from a body, and no reader would take it as header).
func nextField(content []byte, start int) (f Field, ok bool) {
	i := start
	for i < len(content) && fieldName[content[i]] {
		i++
	}
	nameEnd := i
	for i < len(content) && isBlank(content[i]) { // obsolete, but seen: "Subject : x"
		i++
	}
	if nameEnd == start || i == len(content) || content[i] != ':' {
		return Field{}, false
	}
	for {
		lf := bytes.IndexByte(content[i:], '\n')
		if lf < 0 {
			return Field{start, nameEnd, len(content)}, true
		}
		i += lf + 1
		if i == len(content) || !isBlank(content[i]) {
			return Field{start, nameEnd, i}, true
		}
	}
}

// Fields goes through the fields of content's header. Each byte of the header is looked at once;
// nothing is copied.
func Fields(content []byte) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for f, ok := nextField(content, 0); ok; f, ok = nextField(content, f.End) {
			if !yield(f) {
				return
			}
		}
	}
}

// HeaderEnd returns the offset just behind the last field: where the blank line starts, if the
// message is well-formed. It is 0 if content starts with no field.
func HeaderEnd(content []byte) int {
	end := 0
	for f := range Fields(content) {
		end = f.End
	}
	return end
}

// FindField returns the value of the first field of that name, as Field.Value does.
func FindField(content []byte, name string) (value []byte, ok bool) {
	for f := range Fields(content) {
		if f.Is(content, name) {
			return f.Value(content), true
		}
	}
	return nil, false
}

// CountFields returns how many fields have that name.
func CountFields(content []byte, name string) int {
	n := 0
	for f := range Fields(content) {
		if f.Is(content, name) {
			n++
		}
	}
	return n
}

// RemoveFields returns a copy of content without the fields of these names, or content itself if
// it has none of them.
func RemoveFields(content []byte, names ...string) []byte {
	out := content
	kept := 0 // up to here content is in out, when out is a copy
	for f := range Fields(content) {
		for _, name := range names {
			if !f.Is(content, name) {
				continue
			}
			if kept == 0 {
				out = make([]byte, 0, len(content)-(f.End-f.Start))
			}
			out = append(out, content[kept:f.Start]...)
			kept = f.End
			break
		}
	}
	if kept == 0 {
		return content
	}
	return append(out, content[kept:]...)
}

// fieldName is what a field name is made of (RFC 5322 3.6.8): printable ASCII but the colon.
var fieldName = func() (t [256]bool) {
	for c := '!'; c <= '~'; c++ {
		t[c] = c != ':'
	}
	return t
}()

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// equalFoldASCII compares two strings of the same length.
func equalFoldASCII(b []byte, s string) bool {
	for i := range b {
		c, d := b[i], s[i]
		if c != d && (c^d != 0x20 || c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}
