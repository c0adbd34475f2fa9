package message

import "iter"

// Field is one header field of a content, as offsets into it.
type Field struct {
	Start   int // the first byte of the name
	NameEnd int // just behind the name
	End     int // just behind the CRLF of the field's last line
}

// Name returns the field's name as written.
func (f Field) Name(content []byte) []byte { return content[f.Start:f.NameEnd] }

// Value returns what stands behind the colon, without white space around it; folds are kept.
func (f Field) Value(content []byte) []byte { return nil }

// HeaderEnd returns the offset just behind the last field: where the blank line starts.
func HeaderEnd(content []byte) int { return 0 }

// Fields goes through the fields of content's header. A malformed line ends the header.
func Fields(content []byte) iter.Seq[Field] { return func(func(Field) bool) {} }

// FindField returns the value of the first field of that name.
func FindField(content []byte, name string) (value []byte, ok bool) { return nil, false }

// CountFields returns how many fields have that name.
func CountFields(content []byte, name string) int { return 0 }

// RemoveFields returns content without the fields of these names: content itself if it has none.
func RemoveFields(content []byte, names ...string) []byte { return content }

// HeaderSummary is what accepting a message needs to know of its header, found in one pass.
type HeaderSummary struct {
	End        int    // as HeaderEnd returns
	Received   int    // how many Received fields there are
	MessageID  []byte // value of the first Message-ID, without angle brackets; nil if there is none
	Date       bool   // there is a Date
	From       int    // how many From fields there are
	Bcc        bool   // there is a Bcc
	ReturnPath bool   // there is a Return-Path
}

// SummariseHeader goes through the header once.
func SummariseHeader(content []byte) HeaderSummary { return HeaderSummary{} }
