package smtp

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	gosmtp "github.com/emersion/go-smtp"
)

// benchmarkSession accepts everything.
type benchmarkSession struct{}

func (benchmarkSession) Reset()                                 {}
func (benchmarkSession) Logout() error                          { return nil }
func (benchmarkSession) Mail(string, *gosmtp.MailOptions) error { return nil }
func (benchmarkSession) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (benchmarkSession) Data(r io.Reader) error {
	if _, ok := r.(*Body); ok {
		return nil
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

var benchmarkBackend = BackendFunc(func(*ConnInfo) (gosmtp.Session, error) { return benchmarkSession{}, nil })

const benchmarkMail = "MAIL FROM:<sender@example.org> SIZE=4096\r\nRCPT TO:<recipient@example.com>\r\nDATA\r\n"

func benchmarkContent(size int) string {
	const line = "The quick brown fox jumps over the lazy dog, again and again and again.\r\n"
	return strings.Repeat(line, size/len(line)) + ".\r\n"
}

// BenchmarkServerDialogue is our own work for a message of 4 KiB, without the kernel's.
func BenchmarkServerDialogue(b *testing.B) {
	s := &Server{Backend: benchmarkBackend, Config: ServerConfig{MaxCommands: 1 << 60}}
	s.init()
	content := []byte(benchmarkContent(4096))
	nc := &loopConn{left: b.N, pieces: [][]byte{[]byte(benchmarkMail), content}}
	c := new(serverConn)
	c.prepare(s, nc)
	nc.first = []byte("EHLO c.test\r\n")
	b.ReportAllocs()
	b.ResetTimer()
	c.serve()
	if got := s.Metrics().Messages; got != uint64(b.N) {
		b.Fatalf("%d messages of %d", got, b.N)
	}
}

// loopConn gives the same pieces again and again.
type loopConn struct {
	scriptConn
	first  []byte
	pieces [][]byte
	next   int
	left   int
}

func (c *loopConn) Read(p []byte) (int, error) {
	if c.first != nil {
		n := copy(p, c.first)
		c.first = nil
		return n, nil
	}
	if c.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.pieces[c.next])
	if c.next++; c.next == len(c.pieces) {
		c.next = 0
		c.left--
	}
	return n, nil
}

func (c *loopConn) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkServerSocket sends messages over a loopback socket, in lock-step as most clients do, to
// our server and to go-smtp's. Both ends are in the figure.
func BenchmarkServerSocket(b *testing.B) {
	for _, size := range []int{4096, 1 << 20} {
		content := benchmarkContent(size)
		name := map[int]string{4096: "4KiB", 1 << 20: "1MiB"}[size]
		b.Run("ours/"+name, func(b *testing.B) {
			_, addr := startServer(b, ServerConfig{}, benchmarkBackend)
			sendLockStep(b, addr, content)
		})
		b.Run("go-smtp/"+name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			s := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return benchmarkSession{}, nil }))
			go func() { _ = s.Serve(l) }()
			defer s.Close()
			sendLockStep(b, l.Addr().String(), content)
		})
	}
}

func sendLockStep(b *testing.B, addr, content string) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	br := bufio.NewReader(nc)
	say := func(line string) {
		if _, err := io.WriteString(nc, line); err != nil {
			b.Fatal(err)
		}
		for {
			reply, err := br.ReadSlice('\n')
			if err != nil || reply[0] > '3' {
				b.Fatalf("%q: %v", reply, err)
			}
			if bytes.HasPrefix(reply[3:], []byte{' '}) {
				return
			}
		}
	}
	say("HELO c.test\r\n")
	_, _ = br.ReadString('\n') // the greeting came before
	b.SetBytes(int64(len(content)))
	b.ResetTimer()
	for range b.N {
		say("MAIL FROM:<sender@example.org>\r\n")
		say("RCPT TO:<recipient@example.com>\r\n")
		say("DATA\r\n")
		say(content)
	}
}
