package dkim

import "bytes"

// foldAt is the length beyond which a line is folded where it can be (RFC 5322 2.1.1).
const foldAt = 78

// folder writes a header field, folding between its words. The zero column is the start of a line.
type folder struct {
	out    []byte
	column int
}

// word appends a word behind a space, or on a line of its own if it does not fit.
func (f *folder) word(parts ...string) {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if f.column+1+n > foldAt {
		f.fold()
	} else {
		f.put(" ")
	}
	for _, p := range parts {
		f.put(p)
	}
}

func (f *folder) put(s string) {
	f.out = append(f.out, s...)
	f.column += len(s)
}

func (f *folder) putBytes(b []byte) {
	f.out = append(f.out, b...)
	f.column += len(b)
}

func (f *folder) fold() {
	f.out = append(f.out, "\r\n "...)
	f.column = 1
}

// list appends a tag whose value is a list of words with colons between; lines break behind colons.
func (f *folder) list(tag string, words []byte) {
	f.fold()
	f.put(tag)
	for len(words) > 0 {
		n := bytes.IndexByte(words, ':') + 1
		if n == 0 {
			n = len(words)
		}
		if f.column+n > foldAt-1 { // one left for the semicolon
			f.fold()
		}
		f.putBytes(words[:n])
		words = words[n:]
	}
	f.put(";")
}

// base64 appends a word that may be cut anywhere.
func (f *folder) base64(s []byte) {
	for len(s) > 0 {
		n := min(len(s), foldAt-f.column)
		f.putBytes(s[:n])
		if s = s[n:]; len(s) > 0 {
			f.fold()
		}
	}
}
