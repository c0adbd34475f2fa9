package smtptest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
)

// talk sends lines and returns the transcript.
func talk(t *testing.T, s *Server, commands string) string {
	t.Helper()
	conn := s.Dial()
	go io.WriteString(conn, strings.ReplaceAll(commands, "\n", "\r\n")+"\r\nQUIT\r\n")
	io.Copy(io.Discard, conn)
	conn.Close()
	s.running.Wait()
	return s.Transcript(1)
}

// TestStory shows what a script can say and what is seen of it.
func TestStory(t *testing.T) {
	s := Start(t, `
		# bob is greylisted, once
		EHLO      -> 250-SIZE 1000|250 CHUNKING
		RCPT bob once -> 451 4.7.1 try later
		DOT carol -> 554 5.7.1 spam`)
	got := talk(t, s, `EHLO me.test
MAIL FROM:<a@x.test> BODY=8BITMIME
RCPT TO:<bob@y.test>
RCPT TO:<dave@y.test> NOTIFY=NEVER
DATA
..one
.
MAIL FROM:<a@x.test>
RCPT TO:<bob@y.test>
RCPT TO:<carol@y.test>
BDAT 5 LAST
two
DATA`)
	want := `S: 220 peer.test ESMTP
C: EHLO me.test
S: 250-peer.test
S: 250-SIZE 1000
S: 250 CHUNKING
C: MAIL FROM:<a@x.test> BODY=8BITMIME
S: 250 2.1.0 ok
C: RCPT TO:<bob@y.test>
S: 451 4.7.1 try later
C: RCPT TO:<dave@y.test> NOTIFY=NEVER
S: 250 2.1.5 ok
C: DATA
S: 354 go ahead
C: (6 bytes)
S: 250 2.0.0 Ok: taken
C: MAIL FROM:<a@x.test>
S: 250 2.1.0 ok
C: RCPT TO:<bob@y.test>
S: 250 2.1.5 ok
C: RCPT TO:<carol@y.test>
S: 250 2.1.5 ok
C: BDAT 5 LAST
C: (5 bytes)
S: 554 5.7.1 spam
C: DATA
S: 503 5.5.1 MAIL first
C: QUIT
S: 221 2.0.0 bye
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
	m := s.Messages()
	if len(m) != 1 || string(m[0].Content) != ".one\r\n" || m[0].Params != "BODY=8BITMIME" || m[0].HELO != "me.test" ||
		len(m[0].Recipients) != 1 || m[0].Recipients[0] != (Recipient{"dave@y.test", "NOTIFY=NEVER"}) {
		t.Errorf("%+v", m)
	}
}

func TestScriptErrors(t *testing.T) {
	for script, want := range map[string]string{
		"\nRCPT bob 451 no":    `line 2: no "->"`,
		"RCPT a b c -> 250 ok": "line 1: trigger",
		"DATA -> explode":      `line 1: "explode" is neither an action nor a reply`,
		"DATA -> raw x":        "line 1: raw wants a quoted Go string",
		"DATA -> wait long":    "line 1: time: invalid duration",
		"DATA -> drop it":      `line 1: "drop" takes nothing behind it`,
	} {
		if _, err := ParseScript(script); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", script, err)
		}
	}
}

func TestEndings(t *testing.T) {
	for script, want := range map[string]error{
		"greeting -> drop": io.EOF, "NOOP -> reset": syscall.ECONNRESET, "greeting -> 220 hi then close": io.EOF,
	} {
		for _, tcp := range []bool{false, true} {
			s := Start(t, script)
			conn := s.Dial()
			if tcp {
				var err error
				if conn, err = net.Dial("tcp", s.Addr()); err != nil {
					t.Fatal(err)
				}
			}
			io.WriteString(conn, "NOOP\r\nQUIT\r\n")
			_, err := io.Copy(io.Discard, conn)
			if want == io.EOF && err != nil || want != io.EOF && !errors.Is(err, want) {
				t.Errorf("%s: %v", script, err)
			}
			conn.Close()
		}
	}
}

// TestPipe: both ends keep to the contract of net.Conn.
func TestPipe(t *testing.T) {
	nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
		a, b = Pipe()
		return a, b, func() { a.Close(); b.Close() }, nil
	})
}

func TestFaulty(t *testing.T) {
	play := func(f Faults) string {
		a, b := Pipe()
		defer b.Close()
		c := Faulty(a, f)
		b.Write([]byte("0123456789"))
		var out strings.Builder
		for {
			p := make([]byte, 6)
			n, err := c.Read(p)
			fmt.Fprintf(&out, "%s ", p[:n])
			if err != nil {
				fmt.Fprint(&out, err)
				return out.String()
			}
			if n == 0 || strings.Contains(out.String(), "9") {
				return out.String()
			}
		}
	}
	if got := play(Faults{}); got != "012345 6789 " {
		t.Errorf("%q", got)
	}
	if got := play(Faults{ReadCut: 7}); got != "012345 6  EOF" {
		t.Errorf("%q", got)
	}
	if got := play(Faults{ReadCut: CutAtOnce, Err: ErrCut}); got != " smtptest: cut" {
		t.Errorf("%q", got)
	}
	if one, two := play(Faults{Odd: 3, Seed: 7}), play(Faults{Odd: 3, Seed: 7}); one != two || strings.Count(one, " ") < 4 {
		t.Errorf("%q, %q", one, two)
	}
}

func TestFaultyWriteCut(t *testing.T) {
	a, b := Pipe()
	c := Faulty(a, Faults{WriteCut: 4})
	n, err := c.Write([]byte("0123456789"))
	got, _ := io.ReadAll(b)
	if n != 4 || !errors.Is(err, syscall.ECONNRESET) || string(got) != "0123" {
		t.Errorf("%d, %v, %q", n, err, got)
	}
}

func TestStallAndRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := Faulty(a, Faults{StallRead: 2})
		b.Write([]byte("0123"))
		p := make([]byte, 4)
		c.Read(p)
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := c.Read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v", err)
		}
		c.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Hour, c.Release)
		if n, err := c.Read(p); string(p[:n]) != "23" || err != nil {
			t.Errorf("%q, %v", p[:n], err)
		}
	})
}

func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New("")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		conn := Slow(s.Dial(), 25*time.Millisecond)
		r := bufio.NewReader(conn)
		r.ReadString('\n')
		io.WriteString(conn, "NOOP\r\nNOOP\r\n")
		r.ReadString('\n')
		r.ReadString('\n')
		if took := time.Since(start); took != 75*time.Millisecond {
			t.Errorf("%v", took)
		}
		conn.Close()
		s.Close()
	})
}
