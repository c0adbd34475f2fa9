package message

import "bytes"

// HeaderSummary is what accepting a message needs to know of its header, found in one pass.
type HeaderSummary struct {
	End      int // as HeaderEnd returns
	Received int // how many Received fields there are: the hops so far (RFC 5321 6.3)
	From     int // how many From fields there are
	// MessageID is the first Message-ID without angle brackets, part of content and at most
	// maxMessageID bytes of it, without white space; nil if there is none.
	MessageID  []byte
	Date       bool
	Bcc        bool // Bcc or Resent-Bcc
	ReturnPath bool // a Return-Path, which only the final host may write (RFC 5321 4.4)
	Has8Bit    bool // the header needs SMTPUTF8 to be sent (RFC 6531), whatever the body holds
	// BodyOnly tells that content starts with neither a field nor a blank line. Fields put in
	// front of it need a blank line behind them: the body's first line would otherwise be taken
	// for a field, or for the next line of the last of them.
	BodyOnly bool
}

// maxMessageID is the longest line of RFC 5322 2.1.1: no well-formed one is longer.
const maxMessageID = 998

// SummariseHeader goes through the header once.
func SummariseHeader(content []byte) HeaderSummary {
	var s HeaderSummary
	for f, ok := nextField(content, 0); ok; f, ok = nextField(content, f.End) {
		s.End = f.End
		switch content[f.Start] | 0x20 { // most fields are none of ours: ruled out by one byte
		case 'b':
			s.Bcc = s.Bcc || f.Is(content, "Bcc")
		case 'd':
			s.Date = s.Date || f.Is(content, "Date")
		case 'f':
			if f.Is(content, "From") {
				s.From++
			}
		case 'm':
			if s.MessageID == nil && f.Is(content, "Message-ID") {
				s.MessageID = messageID(f.Value(content))
			}
		case 'r':
			switch {
			case f.Is(content, "Received"):
				s.Received++
			case f.Is(content, "Return-Path"):
				s.ReturnPath = true
			case f.Is(content, "Resent-Bcc"):
				s.Bcc = true
			}
		}
	}
	s.Has8Bit = Has8Bit(content[:s.End])
	s.BodyOnly = s.End == 0 && len(content) > 0 && !bytes.HasPrefix(content, []byte("\r\n"))
	return s
}

// messageID returns what stands between the angle brackets of a Message-ID's value, or the value
// if it has none; never nil, so that an empty field still counts as there.
func messageID(v []byte) []byte {
	if open := bytes.IndexByte(v, '<'); open >= 0 {
		if n := bytes.IndexByte(v[open:], '>'); n >= 0 {
			v = v[open+1 : open+n]
		}
	}
	v = v[:min(len(v), maxMessageID)]
	for i, c := range v {
		if c <= ' ' || c == 0x7f {
			return v[:i]
		}
	}
	if v == nil {
		return []byte{}
	}
	return v
}
