package pop3

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkSession is a login to a maildrop of 100,000 messages that asks what is new.
func BenchmarkSession(b *testing.B) {
	box := newInbox()
	for range 100_000 {
		box.deliver("Subject: x\r\n\r\nbody\r\n")
	}
	input := []byte("USER ann\r\nPASS open sesame\r\nSTAT\r\nUIDL\r\nLIST\r\nQUIT\r\n")
	b.ReportAllocs()
	for b.Loop() {
		if out := runScript(testConfig(), box, input).output(); !strings.HasSuffix(out, replyBye) {
			b.Fatal(out)
		}
	}
}

// BenchmarkRetr fetches messages of 20 KiB, pipelined.
func BenchmarkRetr(b *testing.B) {
	box := newInbox(strings.Repeat(strings.Repeat("t", 74)+"\r\n", 20<<10/76))
	cfg := testConfig()
	cfg.MaxCommands = 1 << 30
	var input strings.Builder
	input.WriteString("USER ann\r\nPASS open sesame\r\n")
	const messages = 1000
	for range messages {
		fmt.Fprint(&input, "RETR 1\r\n")
	}
	input.WriteString("QUIT\r\n")
	b.SetBytes(messages * int64(len(box.content[1])))
	for b.Loop() {
		s := New(cfg)
		s.open = box.open
		newConn(s, &sinkConn{scriptConn{input: [][]byte{[]byte(input.String())}}}).serve()
	}
}

// sinkConn forgets what is written to it.
type sinkConn struct{ scriptConn }

func (c *sinkConn) Write(p []byte) (int, error) { return len(p), nil }
