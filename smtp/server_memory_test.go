package smtp

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// Content of every size around those where the buffer changes arrives whole, by DATA and BDAT,
// with the next commands behind it, and all memory is given back.
func TestServerContentSizes(t *testing.T) {
	for _, size := range []int{0, 3000, 4096, 16 << 10, 16<<10 + 1, 64 << 10, 300 << 10, 2 << 20} {
		line := strings.Repeat("0123456789", 7) + "\r\n"
		content := strings.Repeat(line, size/len(line))
		for _, how := range []string{"DATA", "SIZE", "BDAT", "CHUNKS"} {
			for _, piece := range []int{700, 1 << 30} {
				t.Run("", func(t *testing.T) { checkContentSize(t, content, how, piece) })
			}
		}
	}
}

func checkContentSize(t *testing.T, content, how string, piece int) {
	var wire bytes.Buffer
	const begin = "HELO c.test\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\n"
	for range 2 {
		switch how {
		case "DATA":
			wire.WriteString(begin + "DATA\r\n" + content + ".\r\n")
		case "SIZE":
			sized := strings.Replace(begin, "a.test>", "a.test> SIZE="+itoa(len(content)), 1)
			wire.WriteString(sized + "DATA\r\n" + content + ".\r\n")
		case "BDAT":
			wire.WriteString(begin + "BDAT " + itoa(len(content)) + " LAST\r\n" + content)
		case "CHUNKS":
			half := len(content) / 2
			wire.WriteString(begin + "BDAT " + itoa(half) + "\r\n" + content[:half])
			wire.WriteString("BDAT " + itoa(len(content)-half) + " LAST\r\n" + content[half:])
		}
	}
	wire.WriteString("QUIT\r\n")
	got := 0
	record := &serverRecord{}
	record.body = func(r io.Reader) error {
		if !bytes.Equal(r.(*Body).Bytes(), []byte(content)) {
			t.Errorf("%s of %d: content differs", how, len(content))
		}
		got++
		return nil
	}
	s := &Server{Backend: record}
	nc := runScript(s, cutPieces(wire.Bytes(), piece)...)
	if got != 2 || !strings.HasSuffix(nc.output(), replyBye) {
		t.Errorf("%s of %d in pieces of %d: %d messages; %s", how, len(content), piece, got, tail(nc.output()))
	}
	if used := s.cfg.Memory.Used(); used != 0 {
		t.Errorf("%s of %d: %d bytes not given back", how, len(content), used)
	}
}

func itoa(n int) string { return string(appendInt(nil, n)) }

func appendInt(b []byte, n int) []byte {
	if n >= 10 {
		b = appendInt(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

func tail(s string) string { return s[max(0, len(s)-200):] }

// A message that outgrows the budget is refused for now and read to its end.
func TestServerMemoryUsedUp(t *testing.T) {
	budget := NewBudget(256 << 10)
	other := budget.take(100 << 10) // another connection's, 128 KiB
	content := strings.Repeat("x\r\n", 70_000)
	for _, how := range []string{"DATA\r\n" + content + ".\r\n", "BDAT 210000 LAST\r\n" + content} {
		record := &serverRecord{}
		s := &Server{Backend: record, Config: ServerConfig{Memory: budget, MaxMessageBytes: 1 << 20}}
		s.init()
		s.cfg.MaxMessageBytes = 1 << 20 // beyond what a single message may claim
		nc := runScript(s, cutPieces([]byte("HELO c.test\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\n"+how+"QUIT\r\n"), 1000)...)
		if !strings.HasSuffix(nc.output(), replyNoMemory+replyBye) || s.Metrics().MemoryRefusals != 1 {
			t.Errorf("got %q", tail(nc.output()))
		}
		if strings.Contains(record.String(), "data") {
			t.Errorf("the session was told\n%s", record)
		}
	}
	budget.give(other)
	if budget.Used() != 0 {
		t.Errorf("%d bytes not given back", budget.Used())
	}
}

func TestBudget(t *testing.T) {
	b := NewBudget(1 << 20)
	if b.take(2<<20) != nil {
		t.Error("more than there is")
	}
	bufs := [][]byte{b.take(1), b.take(16<<10 + 1), b.take(500 << 10)}
	if len(bufs[0]) != 16<<10 || len(bufs[1]) != 32<<10 || len(bufs[2]) != 512<<10 {
		t.Errorf("sizes %d %d %d", len(bufs[0]), len(bufs[1]), len(bufs[2]))
	}
	if b.Used() != 560<<10 || b.allows(1<<20) || !b.allows(0) {
		t.Errorf("used %d", b.Used())
	}
	for _, buf := range bufs {
		b.give(buf)
	}
	if b.Used() != 0 || b.idle > b.limit/8 || b.idle == 0 {
		t.Errorf("used %d, idle %d", b.Used(), b.idle)
	}
	if again := b.take(1); &again[0] != &bufs[0][0] {
		t.Error("the idle buffer was not used")
	}
	if b.take(900<<10) != nil {
		t.Error("1 MiB beside 16 KiB in 1 MiB")
	}
}

// A line that no limit of its own stops is stopped by that of the message.
func TestServerEndlessLine(t *testing.T) {
	record := &serverRecord{}
	s := &Server{Backend: record, Config: ServerConfig{MaxMessageBytes: 100_000}}
	begin := "HELO c.test\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n"
	nc := runScript(s, cutPieces([]byte(begin+strings.Repeat("x", 300_000)+"\r\n.\r\nQUIT\r\n"), 5000)...)
	if !strings.HasSuffix(nc.output(), replyTooBig+replyBye) {
		t.Errorf("got %q", tail(nc.output()))
	}
	// Without end, the session ends some time.
	nc = runScript(s, cutPieces([]byte(begin+strings.Repeat("x", 2_000_000)), 5000)...)
	if !strings.HasSuffix(nc.output(), replyTooBig) {
		t.Errorf("got %q", tail(nc.output()))
	}
}

func TestServerLongCommand(t *testing.T) {
	s := &Server{Backend: &serverRecord{}}
	long := "NOOP " + strings.Repeat("x", 10_000) + "\r\nNOOP\r\n"
	nc := runScript(s, []byte(long))
	if !strings.HasSuffix(nc.output(), replyLineTooLong+replyOK) {
		t.Errorf("got %q", nc.output())
	}
	nc = runScript(s, []byte(strings.Repeat("x", 1_000_000)))
	if !strings.HasSuffix(nc.output(), "ESMTP\r\n"+replyLineTooLong) {
		t.Errorf("got %q", nc.output())
	}
}
