package pop3

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipeListener hands out the server's ends of connections in memory, on which time is virtual inside a
// synctest bubble.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
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

// client is the client's end of a connection.
type client struct {
	t  testing.TB
	nc net.Conn
	br *bufio.Reader
}

func (l *pipeListener) dial(t testing.TB) *client {
	ours, theirs := net.Pipe()
	l.conns <- theirs
	return newClient(t, ours)
}

func newClient(t testing.TB, nc net.Conn) *client {
	return &client{t: t, nc: nc, br: bufio.NewReader(nc)}
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.nc, s); err != nil {
		c.t.Fatalf("sending %q: %v", s, err)
	}
}

func (c *client) expect(lines ...string) {
	c.t.Helper()
	for _, want := range lines {
		got, err := c.br.ReadString('\n')
		if err != nil || !strings.HasPrefix(got, want) {
			c.t.Fatalf("got %q (%v), want %q", got, err, want)
		}
	}
}

func (c *client) expectEnd() {
	c.t.Helper()
	if got, err := c.br.ReadString('\n'); err == nil {
		c.t.Fatalf("got %q, want the end of the connection", got)
	}
	c.nc.Close()
}

func (c *client) login() {
	c.t.Helper()
	c.expect("+OK ")
	c.send("USER ann\r\nPASS open sesame\r\n")
	c.expect("+OK Say PASS", "+OK ")
}

// inBubble runs a test with a server in virtual time.
func inBubble(t *testing.T, cfg Config, b *inbox, test func(t *testing.T, s *Server, l *pipeListener)) {
	synctest.Test(t, func(t *testing.T) {
		l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
		s := New(cfg)
		s.open = b.open
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		defer s.Close() // also when the test has failed
		test(t, s, l)
		_ = s.Close()
		if err := <-served; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
		if !b.free() {
			t.Error("the maildrop was not given back")
		}
		if m := s.Metrics(); m.OpenConnections != 0 || m.OpenSessions != 0 {
			t.Errorf("%+v", m)
		}
	})
}

// took checks a duration against what was expected, with a second of slack.
func took(t *testing.T, start time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(start); d < want || d > want+time.Second {
		t.Errorf("it took %v, want %v", d, want)
	}
}

// Who does not log in is cut off, whatever he says.
func TestLoginTimeout(t *testing.T) {
	inBubble(t, testConfig(), newInbox(), func(t *testing.T, s *Server, l *pipeListener) {
		start := time.Now()
		c := l.dial(t)
		c.expect("+OK ")
		time.Sleep(2 * time.Minute)
		c.send("CAPA\r\nAUTH PLAIN\r\n")
		for {
			if line, err := c.br.ReadString('\n'); err != nil || line == "+ \r\n" {
				break
			}
		}
		c.expectEnd()
		took(t, start, 3*time.Minute)
		if n := s.Metrics().Timeouts; n != 1 {
			t.Errorf("%d timeouts", n)
		}
	})
}

// A session that has gone to sleep ends without a word and without removing anything (RFC 1939 3); a
// command that trickles in does not keep it awake.
func TestIdleTimeout(t *testing.T) {
	b := newInbox("1\r\n")
	inBubble(t, testConfig(), b, func(t *testing.T, s *Server, l *pipeListener) {
		c := l.dial(t)
		c.login()
		time.Sleep(9 * time.Minute)
		c.send("DELE 1\r\n")
		c.expect("+OK ")
		start := time.Now()
		for i := range 4 {
			time.Sleep(2 * time.Minute)
			c.send("QUIT"[i : i+1])
		}
		c.expectEnd()
		took(t, start, 10*time.Minute)
		synctest.Wait()
		if !b.free() || len(b.UIDs()) != 1 {
			t.Errorf("free: %v, messages %v", b.free(), b.UIDs())
		}
	})
}

// Who does not read holds the maildrop and the memory no longer than a slow reader may take, and what he asked
// for behind it does not happen.
func TestClientThatDoesNotRead(t *testing.T) {
	b := newInbox(strings.Repeat("x", 800<<10) + "\r\n")
	inBubble(t, testConfig(), b, func(t *testing.T, s *Server, l *pipeListener) {
		c := l.dial(t)
		c.login()
		start := time.Now()
		c.send("RETR 1\r\nDELE 1\r\nQUIT\r\n")
		c.expect("+OK 819202 octets")
		for !b.free() {
			time.Sleep(100 * time.Millisecond)
		}
		took(t, start, time.Minute+100*time.Second)
		synctest.Wait()
		if m := s.Metrics(); len(b.UIDs()) != 1 || m.Timeouts != 1 || m.Retrieved != 0 {
			t.Errorf("messages %v, %+v", b.UIDs(), m)
		}
		if !s.cfg.Memory.sem.TryAcquire(DefaultMemory) {
			t.Error("memory was not given back")
		}
		c.nc.Close()
	})
}

// The last replies before QUIT are taken before anything is removed.
func TestQuitRemovesOnlyWhatWasTaken(t *testing.T) {
	b := newInbox("1\r\n")
	inBubble(t, testConfig(), b, func(t *testing.T, s *Server, l *pipeListener) {
		c := l.dial(t)
		c.login()
		c.send("RETR 1\r\nDELE 1\r\nQUIT\r\n") // in one flight, so that no reply is written before QUIT
		c.nc.Close()
		synctest.Wait()
		if len(b.UIDs()) != 1 || b.expunges != 0 {
			t.Errorf("messages %v, %d calls", b.UIDs(), b.expunges)
		}
	})
}

// When messages that are not read take up the memory, others wait and are then told to come again.
func TestMemory(t *testing.T) {
	cfg := testConfig()
	cfg.Memory = NewMemory(1) // a piece
	b := newInbox(strings.Repeat("x", 800)+"\r\n", strings.Repeat("y", 2*pieceSize))
	inBubble(t, cfg, b, func(t *testing.T, s *Server, l *pipeListener) {
		free, ok := s.cfg.Memory.take(context.Background(), pieceSize)
		if !ok {
			t.Fatal("no memory")
		}
		c := l.dial(t)
		c.login()
		start := time.Now()
		c.send("RETR 1\r\n")
		c.expect("-ERR [SYS/TEMP] Out of memory")
		took(t, start, memoryPatience)
		c.send("RETR 1\r\n")
		time.Sleep(time.Second)
		free()
		c.expect("+OK 802", "xxx", ".")
		// A large one goes out piece by piece.
		c.send("RETR 2\r\n")
		c.expect("+OK 524288", "yyy", ".")
		if m := s.Metrics(); m.MemoryRefusals != 1 || m.Retrieved != 2 || m.RetrievedBytes != 802+2*pieceSize {
			t.Errorf("%+v", m)
		}
		c.send("QUIT\r\n")
		c.expect("+OK")
		c.expectEnd()
	})
}

// Shutdown ends idle sessions at once, lets a reply that is under way come to its end, and removes nothing.
func TestShutdown(t *testing.T) {
	b := newInbox(strings.Repeat("x", 100<<10) + "\r\n")
	inBubble(t, testConfig(), b, func(t *testing.T, s *Server, l *pipeListener) {
		greeted := l.dial(t)
		greeted.expect("+OK ")
		c := l.dial(t)
		c.login()
		c.send("DELE 1\r\nRSET\r\nRETR 1\r\n")
		c.expect("+OK ", "+OK ", "+OK ")
		synctest.Wait()
		ended := make(chan error, 1)
		go func() { ended <- s.Shutdown(context.Background()) }()
		greeted.expectEnd()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("Shutdown did not wait: %v", err)
		default:
		}
		c.expect("xxx", ".")
		c.expectEnd()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if len(b.UIDs()) != 1 {
			t.Error("a message was removed")
		}
	})
}

// When its time is over, Shutdown cuts what is left.
func TestShutdownCuts(t *testing.T) {
	b := newInbox(strings.Repeat("x", 100<<10) + "\r\n")
	inBubble(t, testConfig(), b, func(t *testing.T, s *Server, l *pipeListener) {
		c := l.dial(t)
		c.login()
		c.send("RETR 1\r\n")
		c.expect("+OK ")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		synctest.Wait()
		if !b.free() {
			t.Error("the maildrop was not given back")
		}
		c.nc.Close()
		if err := s.Serve(l); !errors.Is(err, ErrServerClosed) {
			t.Error(err)
		}
	})
}

// The maildrop is free as soon as the peer has gone, in whatever state.
func TestPeerGone(t *testing.T) {
	b := newInbox(strings.Repeat("x", 100<<10) + "\r\n")
	for name, doing := range map[string]string{"idle": "NOOP\r\n", "retrieving": "RETR 1\r\n", "half a command": "NOOP\r\nRET"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, testConfig(), b, func(t *testing.T, s *Server, l *pipeListener) {
				start := time.Now()
				for range 3 {
					c := l.dial(t)
					c.login()
					c.send(doing)
					c.expect("+OK")
					synctest.Wait()
					c.nc.Close()
					synctest.Wait()
				}
				took(t, start, 0)
			})
		})
	}
}

// Replies to commands that come together go out together.
func TestPipelined(t *testing.T) {
	b := newInbox("1\r\n", "2\r\n")
	input := "USER ann\r\nPASS open sesame\r\nSTAT\r\nUIDL\r\nRETR 1\r\nDELE 1\r\nRETR 2\r\nRETR 3\r\nNOOP\r\n"
	nc := runScript(testConfig(), b, []byte(input), []byte("STAT\r\n"))
	if len(nc.writes) != 3 { // the greeting, and one for each piece of input
		t.Errorf("%d writes: %q", len(nc.writes), nc.writes)
	}
	want := "+OK Say PASS\r\n+OK Maildrop has 2 messages (6 octets)\r\n+OK 2 6\r\n" +
		"+OK Unique ids follow\r\n1 77.1\r\n2 77.2\r\n.\r\n+OK 3 octets\r\n1\r\n.\r\n+OK Marked as deleted\r\n" +
		"+OK 3 octets\r\n2\r\n.\r\n-ERR No such message\r\n+OK\r\n"
	if got := string(nc.writes[1]); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// Many sessions at once on one maildrop: one has it, the others are told so, and each message is fetched once.
func TestConcurrentSessions(t *testing.T) {
	var messages []string
	for i := range 50 {
		messages = append(messages, fmt.Sprintf("%d\r\n", i))
	}
	b := newInbox(messages...)
	s, addr := startServer(t, testConfig(), b)
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for len(b.UIDs()) > 0 {
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				if got := fetchOne(t, nc); got != "" {
					mu.Lock()
					seen[got]++
					mu.Unlock()
				}
				nc.Close()
			}
		})
	}
	wg.Wait()
	for _, m := range messages {
		if seen[m] != 1 {
			t.Errorf("%q was fetched %d times", m, seen[m])
		}
	}
	if m := s.Metrics(); m.Deleted != uint64(len(messages)) {
		t.Errorf("%+v", m)
	}
}

// fetchOne fetches and removes the first message, "" if the maildrop is in use or empty.
func fetchOne(t *testing.T, nc net.Conn) string {
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	br := bufio.NewReader(nc)
	line := func() string {
		s, err := br.ReadString('\n')
		if err != nil {
			t.Error(err)
		}
		return s
	}
	line()
	_, _ = io.WriteString(nc, "USER ann\r\nPASS open sesame\r\n")
	line()
	if got := line(); !strings.HasPrefix(got, "+OK") {
		if got != replyInUse {
			t.Error(got)
		}
		return ""
	}
	_, _ = io.WriteString(nc, "RETR 1\r\nDELE 1\r\nQUIT\r\n")
	if line() == replyNoMessage {
		return ""
	}
	m := line()
	line()
	line()
	if got := line(); got != replyBye {
		t.Error(got)
		return ""
	}
	return m
}

// A message that goes away while it is being sent is not ended with a dot: the client must not take it for whole.
func TestMessageCutShort(t *testing.T) {
	b := newInbox("a\r\n", strings.Repeat("x", 3*pieceSize))
	inBubble(t, testConfig(), b, func(t *testing.T, s *Server, l *pipeListener) {
		c := l.dial(t)
		c.login()
		c.send("DELE 1\r\nRETR 2\r\nQUIT\r\n")
		c.expect("+OK ", "+OK ")
		synctest.Wait()
		if _, err := b.Expunge(context.Background(), []uint32{2}); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(c.br)
		if err != nil || strings.Trim(string(rest), "x") != "" || len(rest) >= 3*pieceSize {
			t.Errorf("%v, %d octets that end in %q", err, len(rest), rest[max(0, len(rest)-20):])
		}
		synctest.Wait()
		if m := s.Metrics(); m.Retrieved != 0 || m.Deleted != 0 || len(b.UIDs()) != 1 {
			t.Errorf("%+v, left %v", m, b.UIDs())
		}
	})
}
