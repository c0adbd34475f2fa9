package message

import "bytes"

// HeaderSummary is what accepting a message needs to know of its header, found in one pass.
type HeaderSummary struct {
	End        int    // as HeaderEnd returns
	Received   int    // how many Received fields there are: the hops so far (RFC 5321 6.3)
	From       int    // how many From fields there are
	MessageID  []byte // the first Message-ID without angle brackets, part of content; nil if none
	HasDate    bool
	HasBcc     bool // Bcc or Resent-Bcc
	ReturnPath bool // a Return-Path, which only the final host may write (RFC 5321 4.4)
	Has8Bit    bool // the header needs SMTPUTF8 to be sent (RFC 6531), whatever the body holds
}

// SummariseHeader goes through the header once.
func SummariseHeader(content []byte) HeaderSummary {
	var s HeaderSummary
	for f, ok := nextField(content, 0); ok; f, ok = nextField(content, f.End) {
		s.End = f.End
		switch content[f.Start] | 0x20 {
		case 'b':
			s.HasBcc = s.HasBcc || f.Is(content, "Bcc")
		case 'd':
			s.HasDate = s.HasDate || f.Is(content, "Date")
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
				s.HasBcc = true
			}
		}
	}
	s.Has8Bit = Has8Bit(content[:s.End])
	return s
}

// messageID returns what stands between the angle brackets of a Message-ID's value, or the value
// if it has none; never nil.
func messageID(v []byte) []byte {
	if open := bytes.IndexByte(v, '<'); open >= 0 {
		if n := bytes.IndexByte(v[open:], '>'); n >= 0 {
			return v[open+1 : open+n]
		}
	}
	if v == nil {
		return []byte{}
	}
	return v
}
