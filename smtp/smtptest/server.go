package smtptest

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server answers SMTP as its script says and records what it took. Set its fields before the first
// connection. Its methods are safe for concurrent use.
type Server struct {
	// TLS is used by the action starttls.
	TLS *tls.Config
	// Sleep does the waiting of the action wait; nil means time.Sleep.
	Sleep func(time.Duration)

	mu       sync.Mutex
	script   *Script
	listener net.Listener
	conns    []net.Conn
	logs     []*strings.Builder
	messages []Message
	closed   bool
	done     chan struct{} // closed by Close
	running  sync.WaitGroup
}

// Message is one message that the server took.
type Message struct {
	Conn       int    // number of the connection, from 1
	HELO       string // what the client called itself
	Sender     string
	Params     string // what followed the address in MAIL
	Recipients []Recipient
	Content    []byte // without dot-stuffing and the final dot
	Chunked    bool   // came by BDAT
	TLS        bool
}

// Recipient is one accepted RCPT.
type Recipient struct{ Address, Params string }

// Start starts a server with a script that ends with the test.
func Start(t testing.TB, script string) *Server {
	t.Helper()
	s, err := New(script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// New returns a server with a script. The caller must end with Close.
func New(script string) (*Server, error) {
	parsed, err := ParseScript(script)
	if err != nil {
		return nil, err
	}
	return &Server{script: parsed, done: make(chan struct{})}, nil
}

// Dial opens a connection to the server in memory.
func (s *Server) Dial() net.Conn {
	client, server := Pipe()
	s.Serve(server)
	return client
}

// Serve talks to the client at the other end of conn, in a goroutine of the server's.
func (s *Server) Serve(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		conn.Close()
		return
	}
	log := &strings.Builder{}
	s.conns, s.logs = append(s.conns, conn), append(s.logs, log)
	session := newSession(s, conn, len(s.conns), log)
	s.running.Go(session.run)
}

// Addr returns the server's TCP address on the loopback; it listens from the first call on.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(fmt.Sprintf("smtptest: no loopback: %v", err))
		}
		s.listener = l
		s.running.Go(func() { s.accept(l) })
	}
	return s.listener.Addr().String()
}

func (s *Server) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		s.Serve(conn)
	}
}

// Close ends all connections and waits for them.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	if s.listener != nil {
		s.listener.Close()
	}
	for _, c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

// Messages returns every message taken so far, in order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...)
}

// Connections returns how many there have been.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Transcript returns what was said on a connection, numbered from 1, in the order the server saw
// it: "C: " before commands, "S: " before replies.
func (s *Server) Transcript(conn int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logs[conn-1].String()
}

func (s *Server) log(b *strings.Builder, who, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(strings.TrimRight(text, "\r\n")) {
		b.WriteString(who + strings.TrimRight(line, "\r\n") + "\n")
	}
}

func (s *Server) find(word string, names ...string) []action {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.script.find(word, names...)
}

func (s *Server) record(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m)
}

func (s *Server) sleep(d time.Duration) {
	if s.Sleep != nil {
		s.Sleep(d)
		return
	}
	time.Sleep(d)
}
