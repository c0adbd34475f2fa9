package smtp

import (
	"strings"
	"testing"
)

// The replies to a batch of pipelined commands go out in one write (RFC 2920 3.2), and none is held
// back when there is nothing more to read.
func TestServerWritesOncePerBatch(t *testing.T) {
	nc := runScript(&Server{Backend: &serverRecord{}},
		[]byte("EHLO c.test\r\n"),
		[]byte("MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nRCPT TO:<no@b.test>\r\nDATA\r\n"),
		[]byte("one\r\n"),
		[]byte(".\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n"),
		[]byte("two\r\n.\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nBDAT 3 LAST\r\nx\r\nQU"),
		[]byte("IT\r\n"),
	)
	var got []string
	for _, w := range nc.writes {
		got = append(got, strings.Join(replyCodes(w), " "))
	}
	want := []string{"220", "250", "250 250 550 354", "250 250 250 354", "250 250 250 250", "221"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Many replies are not held for ever.
func TestServerLimitsHeldReplies(t *testing.T) {
	batch := "HELO c.test\r\n" + strings.Repeat("NOOP\r\n", 5000)
	nc := runScript(&Server{Backend: &serverRecord{}, Config: ServerConfig{MaxCommands: 10_000}}, []byte(batch))
	if n := len(replyCodes(nc.output())); n != 5002 {
		t.Errorf("%d replies", n)
	}
	for _, w := range nc.writes {
		if len(w) > maxHeldReplies+200 {
			t.Errorf("a write of %d bytes", len(w))
		}
	}
}
