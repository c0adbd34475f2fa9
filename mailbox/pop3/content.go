package pop3

import (
	"bufio"
	"bytes"
)

// contentWriter writes a message, in pieces, and the dot that ends it (RFC 1939 3). Dots at the start of lines
// are doubled. All else is written as it is, in as long runs as there are, but that a message that does not
// end in a line end gets one, since else there is no line for the dot.
//
// A bare LF becomes CR LF. Mail that came over SMTP has none. POP3 has no way to send one, and clients
// that read up to the LF would take ".", CR, LF behind it for the end of the message, and what follows
// for replies.
type contentWriter struct {
	w       *bufio.Writer
	midLine bool
	cr      bool // the last byte was one
}

func (c *contentWriter) write(piece []byte) {
	if len(piece) == 0 {
		return
	}
	if !c.midLine && piece[0] == '.' {
		_ = c.w.WriteByte('.')
	}
	written, next := 0, 0 // next is behind the line end last seen
	for {
		n := bytes.IndexByte(piece[next:], '\n')
		if n < 0 {
			break
		}
		lf := next + n
		next = lf + 1
		if lf == 0 && !c.cr || lf > 0 && piece[lf-1] != '\r' {
			_, _ = c.w.Write(piece[written:lf])
			_, _ = c.w.WriteString("\r\n")
			written = next
		}
		if next < len(piece) && piece[next] == '.' {
			_, _ = c.w.Write(piece[written:next])
			_ = c.w.WriteByte('.')
			written = next
		}
	}
	_, _ = c.w.Write(piece[written:])
	c.midLine = next < len(piece)
	c.cr = piece[len(piece)-1] == '\r'
}

func (c *contentWriter) end() {
	if c.midLine {
		_, _ = c.w.WriteString("\r\n")
	}
	_, _ = c.w.WriteString(replyListEnd)
}

// topScanner finds where the top of a message ends: the header, the empty line and so many lines of the body.
type topScanner struct {
	lines  int
	inBody bool
	length int  // of the line that the last piece ended in
	cr     bool // its last byte was one
}

// take returns how much of the next piece belongs to the top; done if all that follows does not.
func (s *topScanner) take(piece []byte) (n int, done bool) {
	for !s.inBody || s.lines > 0 {
		k := bytes.IndexByte(piece[n:], '\n')
		if k < 0 {
			if rest := piece[n:]; len(rest) > 0 {
				s.length += len(rest)
				s.cr = rest[len(rest)-1] == '\r'
			}
			return len(piece), false
		}
		empty := s.length+k == 0 || s.length+k == 1 && (s.cr || k == 1 && piece[n] == '\r')
		n += k + 1
		s.length, s.cr = 0, false
		if s.inBody {
			s.lines--
		}
		s.inBody = s.inBody || empty
	}
	return n, true
}
