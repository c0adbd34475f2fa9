package smtp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
)

// serverRecord is a backend that writes down what its sessions are told, one line a call. Addresses
// steer its answers: a local part of "no" is refused, "later" deferred, "panic" panics, "broken" fails
// with an error that is no reply.
type serverRecord struct {
	mu   sync.Mutex
	log  []string
	auth bool                  // sessions offer AUTH PLAIN and LOGIN-less nothing else
	body func(io.Reader) error // called by Data after the content was noted
	info *ConnInfo             // of the newest session
}

func (r *serverRecord) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

func (r *serverRecord) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.log...)
}

func (r *serverRecord) String() string { return strings.Join(r.lines(), "\n") }

func (r *serverRecord) NewSession(info *ConnInfo) (gosmtp.Session, error) {
	r.mu.Lock()
	r.info = info
	r.mu.Unlock()
	return r.session(), nil
}

func (r *serverRecord) session() gosmtp.Session {
	s := &serverRecordSession{record: r}
	if r.auth {
		return &serverAuthSession{s}
	}
	return s
}

type serverRecordSession struct{ record *serverRecord }

func (s *serverRecordSession) Reset()        {}
func (s *serverRecordSession) Logout() error { return nil }

func (s *serverRecordSession) Mail(from string, o *gosmtp.MailOptions) error {
	line := "mail <" + from + ">"
	if o.Size > 0 {
		line += fmt.Sprintf(" size=%d", o.Size)
	}
	if o.Body != "" {
		line += " body=" + string(o.Body)
	}
	if o.UTF8 {
		line += " utf8"
	}
	if o.Return != "" {
		line += " ret=" + string(o.Return)
	}
	if o.EnvelopeID != "" {
		line += fmt.Sprintf(" envid=%q", o.EnvelopeID)
	}
	if o.Auth != nil {
		line += " auth=<" + *o.Auth + ">"
	}
	if o.RequireTLS {
		line += " requiretls"
	}
	s.record.note("%s", line)
	return steeredAnswer(from)
}

func (s *serverRecordSession) Rcpt(to string, o *gosmtp.RcptOptions) error {
	line := "rcpt <" + to + ">"
	if len(o.Notify) > 0 {
		line += fmt.Sprintf(" notify=%v", o.Notify)
	}
	if o.OriginalRecipient != "" {
		line += fmt.Sprintf(" orcpt=%s;%s", o.OriginalRecipientType, o.OriginalRecipient)
	}
	s.record.note("%s", line)
	return steeredAnswer(to)
}

func (s *serverRecordSession) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		s.record.note("data error %v", err)
		return err
	}
	if len(content) > 200 {
		s.record.note("data %d bytes", len(content))
	} else {
		s.record.note("data %q", content)
	}
	if s.record.body != nil {
		if b, ok := r.(*Body); ok {
			r = NewBody(b.Bytes())
		}
		return s.record.body(r)
	}
	return nil
}

// steeredAnswer is what the address asks for.
func steeredAnswer(addr string) error {
	local, _, _ := strings.Cut(addr, "@")
	switch local {
	case "no":
		return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	case "wrapped":
		return fmt.Errorf("policy: %w", &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 7, 1}, Message: "two\nlines\x07"})
	case "later":
		return &gosmtp.SMTPError{Code: 451, Message: "try later"}
	case "bye":
		return &gosmtp.SMTPError{Code: 421, EnhancedCode: gosmtp.EnhancedCode{4, 3, 2}, Message: "going"}
	case "auth":
		return gosmtp.ErrAuthRequired
	case "broken":
		return errors.New("secret detail")
	case "panic":
		panic("as asked")
	}
	return nil
}

// serverAuthSession is a session that offers AUTH PLAIN; the password is "secret".
type serverAuthSession struct{ *serverRecordSession }

func (s *serverAuthSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *serverAuthSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(identity, user, password string) error {
		s.record.note("auth %q %q", identity, user)
		if password != "secret" {
			return errors.New("wrong password for " + user)
		}
		return nil
	}), nil
}

// startServer serves backend on a loopback socket until the test ends.
func startServer(t testing.TB, cfg ServerConfig, backend Backend) (*Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Hostname == "" {
		cfg.Hostname = "mx.test"
	}
	s := &Server{Backend: backend, Config: cfg}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-served; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, l.Addr().String()
}

// scriptConn is a connection whose client has said all from the start: each Read gets the next
// piece of input, each Write is kept apart.
type scriptConn struct {
	input  [][]byte
	writes []string
	end    error // what Read returns after the input, io.EOF if nil
}

func (c *scriptConn) Read(p []byte) (int, error) {
	for len(c.input) > 0 && len(c.input[0]) == 0 {
		c.input = c.input[1:]
	}
	if len(c.input) == 0 {
		if c.end != nil {
			return 0, c.end
		}
		return 0, io.EOF
	}
	n := copy(p, c.input[0])
	c.input[0] = c.input[0][n:]
	return n, nil
}

func (c *scriptConn) Write(p []byte) (int, error) {
	c.writes = append(c.writes, string(p))
	return len(p), nil
}

func (c *scriptConn) output() string                   { return strings.Join(c.writes, "") }
func (c *scriptConn) Close() error                     { return nil }
func (c *scriptConn) LocalAddr() net.Addr              { return nil }
func (c *scriptConn) RemoteAddr() net.Addr             { return nil }
func (c *scriptConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptConn) SetWriteDeadline(time.Time) error { return nil }

// runScript plays a whole session in this goroutine and returns what was said.
func runScript(s *Server, pieces ...[]byte) *scriptConn {
	s.init()
	nc := &scriptConn{input: pieces}
	c := new(serverConn)
	c.prepare(s, nc)
	c.serve()
	return nc
}

// cut splits b into pieces of the given sizes, over and over.
func cutPieces(b []byte, sizes ...int) [][]byte {
	var pieces [][]byte
	for i := 0; len(b) > 0; i++ {
		n := min(max(sizes[i%len(sizes)], 1), len(b))
		pieces = append(pieces, bytes.Clone(b[:n]))
		b = b[n:]
	}
	return pieces
}

// replyCodes returns the codes of the last lines of all replies.
func replyCodes(output string) []string {
	var codes []string
	for line := range strings.Lines(output) {
		if len(line) > 3 && line[3] == ' ' {
			codes = append(codes, line[:3])
		}
	}
	return codes
}
