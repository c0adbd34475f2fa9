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

// Far too many recipients in one flight: the first hundred are taken, the rest are turned away one
// by one, and the message goes to the hundred.
func TestServerThousandRecipients(t *testing.T) {
	record := &serverRecord{}
	batch := "HELO c.test\r\nMAIL FROM:<a@a.test>\r\n" + strings.Repeat("RCPT TO:<b@b.test>\r\n", 1005) + "DATA\r\nx\r\n.\r\nQUIT\r\n"
	nc := runScript(&Server{Backend: record, Config: ServerConfig{MaxRecipients: 100}}, []byte(batch))
	counts := map[string]int{}
	for _, code := range replyCodes(nc.output()) {
		counts[code]++
	}
	if counts["250"] != 103 || counts["452"] != 905 || counts["354"] != 1 || counts["221"] != 1 {
		t.Errorf("replies %v", counts)
	}
	if told := record.lines(); len(told) != 102 || told[101] != `data "x\r\n"` {
		t.Errorf("the session was told %d things", len(told))
	}
}

func TestServerReportsPanics(t *testing.T) {
	var reported error
	s := &Server{Backend: &serverRecord{}, Config: ServerConfig{Report: func(err error) { reported = err }}}
	runScript(s, []byte("HELO c.test\r\nMAIL FROM:<panic@a.test>\r\n"))
	if s.Metrics().Panics != 1 || reported == nil || !strings.Contains(reported.Error(), "as asked") {
		t.Errorf("%d panics, reported %v", s.Metrics().Panics, reported)
	}
}
