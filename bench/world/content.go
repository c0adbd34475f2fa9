package world

import (
	"bytes"
	"strconv"
)

var endOfData = []byte("\r\n.\r\n")

// data carries out DATA: 354, then the content up to the dot.
func (s *session) data() bool {
	switch {
	case s.chunked > 0:
		s.reply("503 5.5.1 BDAT was begun")
		return true
	case len(s.recipients) == 0:
		s.reply("554 5.5.1 No valid recipients")
		return true
	}
	cut := s.cutHere(cutContent)
	s.reply("354 End data with <CR><LF>.<CR><LF>")
	if cut {
		s.line() // lets some content come
		return false
	}
	scan := 0 // bytes of in[r:e] known not to begin an end of data
	for {
		c := s.in[s.r:s.e]
		if scan == 0 && bytes.HasPrefix(c, endOfData[2:]) {
			s.r += 3
			return s.take(nil)
		}
		if i := bytes.Index(c[scan:], endOfData); i >= 0 {
			n := scan + i + 2
			s.r += n + 3
			return s.take(unstuff(c[:n]))
		}
		if len(c) > s.w.cfg.MaxMessageBytes {
			s.reply("552 5.3.4 Too big")
			return false
		}
		scan = max(0, len(c)-len(endOfData)+1)
		if !s.fill() {
			return false
		}
	}
}

// unstuff takes away the first of two dots at the start of each line, in place.
func unstuff(c []byte) []byte {
	if len(c) > 0 && c[0] == '.' {
		c = c[1:]
	}
	i := bytes.Index(c, []byte("\r\n."))
	if i < 0 {
		return c
	}
	w := i + 2
	for r := w + 1; ; {
		j := bytes.Index(c[r:], []byte("\r\n."))
		if j < 0 {
			return c[:w+copy(c[w:], c[r:])]
		}
		w += copy(c[w:], c[r:r+j+2])
		r += j + 3
	}
}

// bdat carries out one BDAT command (RFC 3030).
func (s *session) bdat(arg []byte) bool {
	size, rest, _ := bytes.Cut(arg, []byte(" "))
	n, err := strconv.ParseUint(string(size), 10, 62)
	if err != nil || n > uint64(s.w.cfg.MaxMessageBytes) || uint64(len(s.chunks))+n > uint64(s.w.cfg.MaxMessageBytes) {
		s.reply("552 5.3.4 Bad chunk size")
		return false // where the next command begins is not known any more
	}
	last := bytes.EqualFold(bytes.TrimSpace(rest), []byte("LAST"))
	if s.cutHere(cutContent) {
		return false
	}
	for s.e-s.r < int(n) {
		if !s.fill() {
			return false
		}
	}
	chunk := s.in[s.r : s.r+int(n)]
	s.r += int(n)
	switch {
	case len(s.recipients) == 0:
		s.reply("503 5.5.1 No valid recipients")
		return true
	case last && s.chunked == 0:
		return s.take(chunk)
	}
	s.chunks = append(s.chunks, chunk...)
	s.chunked++
	if last {
		return s.take(s.chunks)
	}
	s.reply("250 2.0.0 Ok")
	return true
}
