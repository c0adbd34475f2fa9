package smtp

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"go.uber.org/goleak"
)

// pipeListener hands out the server's ends of in-memory connections, on which time is virtual
// inside a synctest bubble.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return nil }

// pipeClient is the client's end of a connection.
type pipeClient struct {
	t  testing.TB
	nc net.Conn
	br *bufio.Reader
}

func (l *pipeListener) dial(t testing.TB) *pipeClient {
	client, server := net.Pipe()
	l.conns <- server
	return &pipeClient{t: t, nc: client, br: bufio.NewReader(client)}
}

func (c *pipeClient) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.nc, s); err != nil {
		c.t.Fatalf("sending %q: %v", s, err)
	}
}

func (c *pipeClient) expect(lines ...string) {
	c.t.Helper()
	for _, want := range lines {
		got, err := c.br.ReadString('\n')
		if err != nil || !strings.HasPrefix(got, want) {
			c.t.Fatalf("got %q (%v), want %q", got, err, want)
		}
	}
}

func (c *pipeClient) expectEnd() {
	c.t.Helper()
	if got, err := c.br.ReadString('\n'); err == nil {
		c.t.Fatalf("got %q, want the end of the connection", got)
	}
	c.nc.Close()
}

// begin opens a transaction up to 354.
func (c *pipeClient) begin() {
	c.t.Helper()
	c.expect("220 ")
	c.send("HELO c.test\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n")
	c.expect("250 ", "250 ", "250 ", "354 ")
}

// inBubble runs a test with a server in virtual time.
func inBubble(t *testing.T, cfg ServerConfig, backend Backend, test func(t *testing.T, s *Server, l *pipeListener)) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		s := &Server{Backend: backend, Config: cfg}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		defer s.Close() // also when the test has failed
		test(t, s, l)
		_ = s.Close()
		if err := <-served; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
		if used := s.cfg.Memory.Used(); used != 0 {
			t.Errorf("%d bytes of the budget not given back", used)
		}
	})
}

func TestServerIdleTimeout(t *testing.T) {
	inBubble(t, ServerConfig{}, &serverRecord{}, func(t *testing.T, s *Server, l *pipeListener) {
		c := l.dial(t)
		c.expect("220 ")
		start := time.Now()
		c.expect("421 4.4.2")
		c.expectEnd()
		if took := time.Since(start); took < 5*time.Minute || took > 5*time.Minute+2*time.Second {
			t.Errorf("timed out after %v", took)
		}
		if n := s.Metrics().Timeouts; n != 1 {
			t.Errorf("%d timeouts counted", n)
		}
	})
}

// A command that trickles in byte by byte does not extend its time; nor does content beyond that
// of the transaction.
func TestServerSlowloris(t *testing.T) {
	cfg := ServerConfig{ReadTimeout: time.Minute, TransactionTimeout: 10 * time.Minute}
	trickle := func(c *pipeClient) (took time.Duration) {
		start := time.Now()
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			for {
				if _, err := io.WriteString(c.nc, "x"); err != nil {
					return
				}
				time.Sleep(20 * time.Second)
			}
		}()
		defer func() { c.nc.Close(); <-gone }()
		c.expect("421 4.4.2")
		took = time.Since(start)
		c.expectEnd()
		return took
	}
	record := &serverRecord{}
	inBubble(t, cfg, record, func(t *testing.T, s *Server, l *pipeListener) {
		c := l.dial(t)
		c.expect("220 ")
		if took := trickle(c); took > 2*time.Minute {
			t.Errorf("a command took %v", took)
		}
		c = l.dial(t)
		c.begin()
		if took := trickle(c); took < 9*time.Minute || took > 11*time.Minute {
			t.Errorf("a transaction took %v", took)
		}
		if strings.Contains(record.String(), "data") {
			t.Errorf("the session was told of half a message:\n%s", record)
		}
	})
}

// Many silent connections hold up nobody.
func TestServerSilentConnections(t *testing.T) {
	record := &serverRecord{}
	inBubble(t, ServerConfig{}, record, func(t *testing.T, s *Server, l *pipeListener) {
		var silent []*pipeClient
		for range 200 {
			c := l.dial(t)
			c.expect("220 ")
			silent = append(silent, c)
		}
		c := l.dial(t)
		c.begin()
		c.send("x\r\n.\r\nQUIT\r\n")
		c.expect("250 ", "221 ")
		c.expectEnd()
		for _, c := range silent {
			c.expect("421 4.4.2")
			c.expectEnd()
		}
	})
}

// Bytes of content that keep coming keep a long transfer alive.
func TestServerLongTransfer(t *testing.T) {
	record := &serverRecord{}
	inBubble(t, ServerConfig{}, record, func(t *testing.T, s *Server, l *pipeListener) {
		c := l.dial(t)
		c.begin()
		for range 8 {
			time.Sleep(3 * time.Minute)
			c.send("x\r\n")
		}
		c.send(".\r\nQUIT\r\n")
		c.expect("250 ", "221 ")
		c.expectEnd()
	})
}

func TestServerEarlyTalker(t *testing.T) {
	inBubble(t, ServerConfig{GreetDelay: 5 * time.Second}, &serverRecord{}, func(t *testing.T, s *Server, l *pipeListener) {
		early := l.dial(t)
		early.send("HELO bot\r\n")
		early.expect("554 5.5.1 You must wait")
		early.expectEnd()

		start := time.Now()
		patient := l.dial(t)
		patient.expect("220 ")
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("greeted after %v", took)
		}
		patient.send("QUIT\r\n")
		patient.expect("221 ")
		patient.expectEnd()
	})
}

func TestServerShutdown(t *testing.T) {
	record := &serverRecord{}
	inBubble(t, ServerConfig{}, record, func(t *testing.T, s *Server, l *pipeListener) {
		idle, busy := l.dial(t), l.dial(t)
		idle.expect("220 ")
		busy.begin()
		stopped := make(chan error)
		go func() { stopped <- s.Shutdown(context.Background()) }()
		idle.expect("421 4.3.2")
		idle.expectEnd()
		time.Sleep(time.Minute) // the other one takes its time
		busy.send("x\r\n.\r\nMAIL FROM:<next@a.test>\r\n")
		busy.expect("250 2.0.0", "421 4.3.2")
		busy.expectEnd()
		if err := <-stopped; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if !strings.Contains(record.String(), "data") || strings.Contains(record.String(), "next") {
			t.Errorf("the sessions were told\n%s", record)
		}
	})
}

func TestServerShutdownCutsAtTheEndOfItsTime(t *testing.T) {
	inBubble(t, ServerConfig{}, &serverRecord{}, func(t *testing.T, s *Server, l *pipeListener) {
		c := l.dial(t)
		c.begin()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		c.expectEnd()
	})
}

// emptyHanded is a listener that has run out of file descriptors.
type emptyHanded struct{ *pipeListener }

func (emptyHanded) Accept() (net.Conn, error) { return nil, syscall.EMFILE }

// A server without file descriptors tries again ever more seldom, and ends at once all the same.
func TestServerShutdownWhileAcceptFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		s := &Server{Config: ServerConfig{Report: func(error) { tries++ }}}
		served := make(chan error, 1)
		go func() { served <- s.Serve(emptyHanded{newPipeListener()}) }()
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		if tries < 10 || tries > 20 {
			t.Errorf("%d tries in 10 s", tries)
		}
		asked := time.Now()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, ErrServerClosed) {
			t.Errorf("served: %v", err)
		}
		if took := time.Since(asked); took > 0 {
			t.Errorf("it took %v", took)
		}
	})
}

func TestServerConnectionLimits(t *testing.T) {
	s, addr := startServer(t, ServerConfig{MaxConnections: 3, MaxConnectionsPerAddr: 2}, &serverRecord{})
	greeting := func() (net.Conn, string) {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		line, err := bufio.NewReader(nc).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return nc, line
	}
	first, line := greeting()
	_, line2 := greeting()
	if line[:3] != "220" || line2[:3] != "220" {
		t.Fatalf("got %q and %q", line, line2)
	}
	if _, line := greeting(); !strings.HasPrefix(line, "421 4.7.0") {
		t.Errorf("one too many from the address: %q", line)
	}
	_, _ = io.WriteString(first, "QUIT\r\n")
	_, _ = io.Copy(io.Discard, first)
	for { // until the server has seen the end of the others
		if _, line := greeting(); line[:3] == "220" {
			break
		}
	}
	if m := s.Metrics(); m.RefusedConnections == 0 || m.Connections < 4 {
		t.Errorf("%+v", m)
	}
}

func TestServerRefusesInPlaceOfGreeting(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&gosmtp.SMTPError{Code: 554, EnhancedCode: gosmtp.EnhancedCode{5, 7, 1}, Message: "listed"}, "554 5.7.1 listed\r\n"},
		{errors.New("secret"), replyNoSession},
	} {
		refuse := BackendFunc(func(*ConnInfo) (gosmtp.Session, error) { return nil, c.err })
		if nc := runScript(&Server{Backend: refuse}, []byte("EHLO x\r\n")); nc.output() != c.want {
			t.Errorf("%v: %q", c.err, nc.output())
		}
	}
}

// Close leaves no goroutine behind, whatever the connections were at.
func TestServerCloseLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Backend: &serverRecord{}, Config: ServerConfig{TLS: serverTestTLS(t)}}
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	for _, said := range []string{"", "HEL", "HELO c.test\r\n", "HELO c.test\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\nhalf", "STARTTLS\r\n"} {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_, _ = io.WriteString(nc, said)
		if _, err := bufio.NewReader(nc).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if s.Close() != nil || !errors.Is(<-served, ErrServerClosed) {
		t.Error("not closed")
	}
	if err := s.Serve(l); !errors.Is(err, ErrServerClosed) {
		t.Errorf("serving again: %v", err)
	}
	if m := s.Metrics(); m.OpenConnections != 0 || m.Connections != 5 {
		t.Errorf("%+v", m)
	}
}
