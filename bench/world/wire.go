package world

import (
	"bytes"
	"time"
)

// reply appends one reply line to the output; it is written when the input has run dry, so that
// the replies to commands sent together go out together (RFC 2920 3.2).
func (s *session) reply(parts ...string) {
	for _, p := range parts {
		s.out = append(s.out, p...)
	}
	s.out = append(s.out, '\r', '\n')
}

// flush writes the output, trips round trips later if the manner delays.
func (s *session) flush(trips int) bool {
	if len(s.out) == 0 {
		return true
	}
	delay := s.manner.Delay
	if s.box == nil && delay > 0 {
		s.box = newOutbox(s.w.ctx, s.conn)
	}
	var err error
	if s.box != nil {
		s.box.send(s.out, time.Duration(trips)*delay)
	} else {
		s.touch()
		_, err = s.conn.Write(s.out)
	}
	s.out = s.out[:0]
	return err == nil
}

// touch moves the deadline that ends idle connections.
func (s *session) touch() {
	now := time.Now()
	if s.deadline.Sub(now) < idleTimeout-deadlineEvery {
		s.deadline = now.Add(idleTimeout)
		_ = s.conn.SetDeadline(s.deadline)
	}
}

// fill reads more input behind what there is, making room if need be.
func (s *session) fill() bool {
	if !s.flush(1) {
		return false
	}
	switch {
	case s.r == s.e:
		s.r, s.e = 0, 0
	case s.e < len(s.in):
	case s.r > 0:
		s.e = copy(s.in, s.in[s.r:s.e])
		s.r = 0
	default:
		if len(s.in) >= 2*s.w.cfg.MaxMessageBytes {
			return false
		}
		s.in = append(s.in, make([]byte, len(s.in))...)
	}
	n, err := s.conn.Read(s.in[s.e:])
	s.e += n
	return n > 0 || err == nil
}

// line returns the next command line without its line end, valid until the next read.
func (s *session) line() ([]byte, bool) {
	scanned := 0
	for {
		if i := bytes.IndexByte(s.in[s.r+scanned:s.e], '\n'); i >= 0 {
			line := s.in[s.r : s.r+scanned+i]
			s.r += scanned + i + 1
			return bytes.TrimSuffix(line, []byte("\r")), true
		}
		scanned = s.e - s.r
		if scanned > maxLine || !s.fill() {
			return nil, false
		}
	}
}

// splitVerb returns the verb in upper case and what follows it; the common verbs cost no allocation.
func splitVerb(line []byte) (string, []byte) {
	v, arg, _ := bytes.Cut(line, []byte(" "))
	switch string(v) {
	case "MAIL":
		return "MAIL", arg
	case "RCPT":
		return "RCPT", arg
	case "DATA":
		return "DATA", arg
	case "BDAT":
		return "BDAT", arg
	}
	return string(bytes.ToUpper(v)), arg
}

// pathOf returns what stands between the angle brackets of "FROM:<path> params". A ">" in a
// quoted local part does not end it.
func pathOf(arg []byte) ([]byte, bool) {
	i := bytes.IndexByte(arg, '<')
	if i < 0 {
		return nil, false
	}
	p := arg[i+1:]
	quoted := false
	for j := 0; j < len(p); j++ {
		switch {
		case p[j] == '\\' && quoted:
			j++
		case p[j] == '"':
			quoted = !quoted
		case p[j] == '>' && !quoted:
			return p[:j], true
		}
	}
	return nil, false
}
