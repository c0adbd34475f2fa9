package smtptest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
)

// errOver ends a session.
var errOver = errors.New("session over")

// session is one connection to a Server.
type session struct {
	server *Server
	conn   net.Conn
	base   net.Conn // below TLS
	r      *bufio.Reader
	w      *bufio.Writer
	number int
	out    *strings.Builder

	said    string // the last reply
	helo    string
	lmtp    bool // LHLO was said: each recipient has a reply to the end of the data
	open    bool // MAIL was accepted
	message Message
}

func newSession(s *Server, conn net.Conn, number int, out *strings.Builder) *session {
	return &session{server: s, conn: conn, base: conn, r: bufio.NewReader(conn), w: bufio.NewWriter(conn),
		number: number, out: out}
}

func (s *session) run() {
	defer s.end()
	if s.act("GREETING", "220 peer.test ESMTP") != nil {
		s.w.Flush()
		return
	}
	for {
		if s.r.Buffered() == 0 && s.w.Flush() != nil { // replies to one flight share a segment
			return
		}
		line, err := s.r.ReadString('\n')
		if err != nil {
			return
		}
		s.server.log(s.out, "C: ", line)
		if s.command(strings.TrimRight(line, "\r\n")) != nil {
			s.w.Flush()
			return
		}
	}
}

// end closes the connection. On TCP it takes what the client is still sending, as closing with that
// unread would reset the connection, and the client might lose the last reply.
func (s *session) end() {
	if tcp, ok := s.base.(*net.TCPConn); ok && tcp.CloseWrite() == nil {
		io.Copy(io.Discard, tcp)
	}
	s.base.Close()
}

func (s *session) command(line string) error {
	word, arg, _ := strings.Cut(line, " ")
	switch word = strings.ToUpper(word); word {
	case "LHLO":
		s.helo, s.lmtp = arg, true
		s.reset()
		return s.act(word, "250-peer.test|250-PIPELINING|250-8BITMIME|250 ENHANCEDSTATUSCODES", arg)
	case "EHLO", "HELO":
		s.helo = arg
		s.reset()
		if word == "HELO" {
			return s.act(word, "250 peer.test", arg)
		}
		return s.act(word, "250-peer.test|250-PIPELINING|250-8BITMIME|250-SIZE|250 ENHANCEDSTATUSCODES", arg)
	case "MAIL":
		return s.mail(arg)
	case "RCPT":
		return s.rcpt(arg)
	case "DATA":
		return s.data()
	case "BDAT":
		return s.bdat(arg)
	case "RSET":
		s.reset()
		return s.act(word, "250 2.0.0 ok")
	case "STARTTLS":
		if s.server.TLS == nil {
			return s.act(word, "502 5.5.1 no TLS here")
		}
		return s.act(word, "starttls")
	case "NOOP":
		return s.act(word, "250 2.0.0 ok")
	case "QUIT":
		return s.act(word, "221 2.0.0 bye then close")
	}
	return s.act(word, "500 5.5.2 unknown command", arg)
}

// act does what the script says about a command, or else usual, which is written like a script's
// actions.
func (s *session) act(word, usual string, names ...string) error {
	actions := s.server.find(word, names...)
	if actions == nil {
		r, err := parseRule("x -> " + usual)
		if err != nil {
			return err
		}
		actions = r.actions
	} else if word == "EHLO" || word == "LHLO" {
		actions = withName(actions)
	}
	for _, a := range actions {
		if err := s.do(word, a); err != nil {
			return err
		}
	}
	return nil
}

// withName puts the server's name before the keywords of a scripted reply to EHLO.
func withName(actions []action) []action {
	out := append([]action(nil), actions...)
	if a := &out[0]; a.verb == "reply" && strings.HasPrefix(a.text, "250") {
		a.text = "250-peer.test|" + a.text
	}
	return out
}

func (s *session) do(word string, a action) error {
	switch a.verb {
	case "reply":
		s.effect(word, a.text)
		s.say(strings.ReplaceAll(a.text, "|", "\r\n") + "\r\n")
	case "raw":
		s.effect(word, a.text)
		s.say(a.text)
	case "take":
		s.take()
	case "wait":
		s.w.Flush()
		s.server.sleep(a.pause)
	case "stall":
		s.w.Flush()
		<-s.server.done
		return errOver
	case "starttls":
		return s.startTLS()
	case "reset":
		s.w.Flush()
		breakOff(s.base)
		return errOver
	case "drop", "close":
		return errOver
	}
	return nil
}

// effect does what a positive reply to word means.
func (s *session) effect(word, reply string) {
	positive := strings.HasPrefix(reply, "2")
	switch {
	case word == "MAIL" && positive:
		s.open = true
	case word == "RCPT" && !positive:
		s.message.Recipients = s.message.Recipients[:max(0, len(s.message.Recipients)-1)]
	case word == "DOT" && positive && !s.lmtp:
		s.take()
	}
}

func (s *session) say(text string) {
	s.server.log(s.out, "S: ", text)
	s.said = text
	s.w.WriteString(text)
}

func (s *session) reset() {
	s.open = false
	s.message = Message{}
}

func (s *session) mail(arg string) error {
	if s.open {
		return s.act("MAIL", "503 5.5.1 nested MAIL")
	}
	s.reset()
	s.message.Sender, s.message.Params = cutPath(arg, "FROM:")
	return s.act("MAIL", "250 2.1.0 ok", s.message.Sender)
}

func (s *session) rcpt(arg string) error {
	address, params := cutPath(arg, "TO:")
	s.message.Recipients = append(s.message.Recipients, Recipient{address, params})
	if !s.open {
		return s.act("RCPT", "503 5.5.1 MAIL first", address)
	}
	return s.act("RCPT", "250 2.1.5 ok", address)
}

// cutPath takes "FROM:<a@b> PARAMS" apart.
func cutPath(arg, prefix string) (address, params string) {
	if len(arg) < len(prefix) || !strings.EqualFold(arg[:len(prefix)], prefix) {
		return "", ""
	}
	arg = strings.TrimSpace(arg[len(prefix):])
	end := strings.LastIndex(arg, ">")
	if !strings.HasPrefix(arg, "<") || end < 0 {
		return arg, ""
	}
	return arg[1:end], strings.TrimSpace(arg[end+1:])
}

// names are what rules about the transaction can be about.
func (s *session) names() []string {
	names := []string{s.message.Sender}
	for _, r := range s.message.Recipients {
		names = append(names, r.Address)
	}
	return names
}

// complaint is the reply to DATA or BDAT when there is nobody to receive anything; "" if there is.
func (s *session) complaint() string {
	switch {
	case !s.open:
		return "503 5.5.1 MAIL first"
	case len(s.message.Recipients) == 0:
		return "554 5.5.1 no valid recipients"
	}
	return ""
}

func (s *session) data() error {
	usual := s.complaint()
	if usual == "" {
		usual = "354 go ahead"
	}
	s.said = ""
	if err := s.act("DATA", usual, s.names()...); err != nil {
		return err
	}
	if !strings.HasPrefix(s.said, "354") {
		return nil
	}
	return s.content()
}

// content reads up to the dot. Only CRLF ends a line here, so that a bare LF before a dot shows as
// content.
func (s *session) content() error {
	if err := s.w.Flush(); err != nil {
		return err
	}
	var content []byte
	for {
		line, err := readCRLF(s.r)
		if err != nil {
			return err
		}
		if string(line) == ".\r\n" {
			break
		}
		content = append(content, bytes.TrimPrefix(line, []byte("."))...)
	}
	return s.received(content)
}

// readCRLF reads up to CR LF.
func readCRLF(r *bufio.Reader) (line []byte, err error) {
	for !bytes.HasSuffix(line, []byte("\r\n")) {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if err != nil && err != bufio.ErrBufferFull {
			return nil, err
		}
	}
	return line, nil
}

// received answers the end of the data.
func (s *session) received(content []byte) error {
	s.server.log(s.out, "C: ", "("+strconv.Itoa(len(content))+" bytes)")
	s.message.Content = content
	usual := s.complaint()
	if usual == "" {
		usual = "250 2.0.0 Ok: taken"
	}
	if s.lmtp && len(s.message.Recipients) > 0 {
		return s.receivedLMTP(usual)
	}
	err := s.act("DOT", usual, s.names()...)
	s.reset()
	return err
}

// receivedLMTP answers the end of the data for each recipient, and records the message for those who get it (RFC 2033
// 4.2).
func (s *session) receivedLMTP(usual string) (err error) {
	var got []Recipient
	for _, to := range s.message.Recipients {
		s.said = ""
		err = s.act("DOT", usual, to.Address)
		if strings.HasPrefix(s.said, "2") {
			got = append(got, to)
		}
		if err != nil {
			break
		}
	}
	if s.message.Recipients = got; len(got) > 0 {
		s.take()
	}
	s.reset()
	return err
}

func (s *session) bdat(arg string) error {
	fields := strings.Fields(arg)
	size, err := strconv.ParseUint(append(fields, "")[0], 10, 31)
	if err != nil {
		return s.act("BDAT", "501 5.5.4 bad size")
	}
	if err := s.w.Flush(); err != nil {
		return err
	}
	chunk := make([]byte, size)
	if _, err := io.ReadFull(s.r, chunk); err != nil {
		return err
	}
	if actions := s.server.find("BDAT", s.names()...); actions != nil {
		return s.refuseChunk(actions)
	}
	if usual := s.complaint(); usual != "" {
		return s.act("BDAT", usual)
	}
	s.message.Chunked = true
	chunk = append(s.message.Content, chunk...)
	if len(fields) == 2 && strings.EqualFold(fields[1], "LAST") {
		return s.received(chunk)
	}
	s.message.Content = chunk
	return s.act("BDAT", "250 2.0.0 ok")
}

// refuseChunk does what the script says of BDAT. The transaction stays open, as it may.
func (s *session) refuseChunk(actions []action) error {
	for _, a := range actions {
		if err := s.do("BDAT", a); err != nil {
			return err
		}
	}
	return nil
}

// take records the message.
func (s *session) take() {
	m := s.message
	m.Conn, m.HELO = s.number, s.helo
	m.Recipients = append([]Recipient(nil), m.Recipients...)
	_, m.TLS = s.conn.(*tls.Conn)
	s.server.record(m)
}

func (s *session) startTLS() error {
	s.say("220 2.0.0 go ahead\r\n")
	if err := s.w.Flush(); err != nil {
		return err
	}
	t := tls.Server(s.conn, s.server.TLS)
	if err := t.Handshake(); err != nil {
		return err
	}
	s.reset()
	s.conn, s.r, s.w = t, bufio.NewReader(t), bufio.NewWriter(t)
	return nil
}

// breakOff closes a connection so that the other end sees a reset.
func breakOff(conn net.Conn) {
	switch c := conn.(type) {
	case *net.TCPConn:
		c.SetLinger(0)
		c.Close()
	case interface{ Reset() }:
		c.Reset()
	}
}
