package smtp

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/posthaste-mta/posthaste/message"
)

// clientSink is a connection that keeps what is written.
type clientSink struct {
	net.Conn
	bytes.Buffer
}

func (s *clientSink) Write(p []byte) (int, error) { return s.Buffer.Write(p) }
func (s *clientSink) Read(p []byte) (int, error)  { return 0, io.EOF }

// clientOnWire returns what write queues and flushes.
func clientOnWire(write func(w *clientWriter)) []byte {
	var sink clientSink
	w := &clientWriter{conn: &sink, before: func() {}, pool: NewClientBuffers()}
	write(w)
	w.flush()
	w.release()
	return sink.Bytes()
}

// clientUnstuff reads DATA as a receiver does: up to the first lone dot.
func clientUnstuff(t testing.TB, wire []byte) (content, rest []byte) {
	for line := range bytes.Lines(wire) {
		rest = wire[len(line):]
		wire = rest
		if string(line) == ".\r\n" {
			return content, rest
		}
		content = append(content, bytes.TrimPrefix(line, []byte("."))...)
	}
	t.Fatalf("no end of data")
	return nil, nil
}

// FuzzStuffing: what is sent, read as a receiver reads it, is the content; nothing follows its end.
func FuzzStuffing(f *testing.F) {
	for _, s := range []string{"", ".", "..", ".\r\n", "a\r\n.\r\nb", "a\r\n..\r\n", "\r\n.", "a", "a\r\n", ".\r\n.\r\n.\r\n", "a\nb\n.\nc"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) { checkStuffing(t, clientCRLFOnly(content)) })
}

// clientCRLFOnly makes content what the client is promised: no CR or LF alone.
func clientCRLFOnly(b []byte) []byte {
	b = bytes.ReplaceAll(b, []byte("\r"), nil)
	return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
}

func checkStuffing(t *testing.T, content []byte) {
	want := content
	if !bytes.HasSuffix(want, []byte("\r\n")) && len(want) > 0 {
		want = append(bytes.Clone(want), "\r\n"...)
	}
	wire := clientOnWire(func(w *clientWriter) { w.writeStuffed(content) })
	got, rest := clientUnstuff(t, wire)
	if !bytes.Equal(got, want) || len(rest) > 0 {
		t.Fatalf("content %q is %q on the wire", clip(content), clip(wire))
	}
	for i, c := range wire { // only CRLF on the wire
		if c == '\n' && (i == 0 || wire[i-1] != '\r') || c == '\r' && (i+1 == len(wire) || wire[i+1] != '\n') {
			t.Fatalf("bare CR or LF at %d of %q", i, clip(wire))
		}
	}
	plain := clientOnWire(func(w *clientWriter) { w.writePlain(content) })
	if !bytes.Equal(plain, want) || int64(len(plain)) != clientWireSize(content) {
		t.Fatalf("BDAT of %q: %q", clip(content), clip(plain))
	}
}

func clip(b []byte) []byte { return b[:min(len(b), 200)] }

// TestStuffingLarge passes the bounds of the write buffer, of a block and of a writev, in content
// full of dots and with hardly any.
func TestStuffingLarge(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{clientCopyMax, clientWriteSize, clientBlock, 3*clientBlock + 17} {
		for _, dots := range []int{0, 1, 5, 1000} {
			var b strings.Builder
			for b.Len() < size {
				if random.IntN(1000) < dots {
					b.WriteString(".")
				}
				b.WriteString(strings.Repeat("x", random.IntN(70)))
				if random.IntN(100) > 0 || dots == 1000 {
					b.WriteString("\r\n")
				}
			}
			for cut := range 5 {
				checkStuffing(t, clientCRLFOnly([]byte(b.String()[:size-cut])))
			}
		}
	}
}

func TestClientCommands(t *testing.T) {
	all := &Extensions{SizeOffered: true, EightBit: true, SMTPUTF8: true, RequireTLS: true, DSN: true}
	e := &message.Envelope{Sender: "a@x.test", Body: message.Body8Bit, UTF8: true, RequireTLS: true,
		Return: message.ReturnFull, EnvelopeID: "QQ +=\r\n"}
	for _, tt := range []struct{ got, want string }{
		{string(appendMail(nil, e, 12, true, all)), "MAIL FROM:<a@x.test> SIZE=12 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=FULL ENVID=QQ+20+2B+3D+0D+0A\r\n"},
		{string(appendMail(nil, e, 12, true, &Extensions{})), "MAIL FROM:<a@x.test>\r\n"},
		{string(appendMail(nil, &message.Envelope{}, 12, false, all)), "MAIL FROM:<> SIZE=12\r\n"},
		{string(appendRcpt(nil, &message.Recipient{Address: "b@y.test", Notify: message.NotifyNever}, false, all)), "RCPT TO:<b@y.test> NOTIFY=NEVER\r\n"},
		{string(appendRcpt(nil, &message.Recipient{Address: "b@y.test", Notify: message.NotifySuccess | message.NotifyFailure | message.NotifyDelay,
			OriginalType: "utf-8", Original: "é+\\\r\n@y"}, false, all)), `RCPT TO:<b@y.test> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=utf-8;\x{E9}\x{2B}\x{5C}\x{0D}\x{0A}@y` + "\r\n"},
		{string(appendRcpt(nil, &message.Recipient{Address: "b@y.test", OriginalType: "UTF-8", Original: "é+ @y"}, true, all)),
			`RCPT TO:<b@y.test> ORCPT=UTF-8;é\x{2B}\x{20}@y` + "\r\n"},
		{string(appendRcpt(nil, &message.Recipient{Address: "b@y.test", Notify: message.NotifyNever, OriginalType: "rfc822", Original: "b"}, false, &Extensions{})), "RCPT TO:<b@y.test>\r\n"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestClientPath(t *testing.T) {
	for addr, want := range map[string]bool{
		"a@x.test": true, "": true, `"a b"@x.test`: true, `"a>b"@x.test`: true, `"a\"> b"@x.test`: true, "é@x.test": true,
		"a@x.test> SIZE=1": false, "a b@x.test": false, "a\r\nDATA": false, "a@x\x00": false, `"a@x.test`: false,
		`"a\`: false, "\"a\\\n\"@x": false, "\xff@x": false, strings.Repeat("a", 2000): false,
	} {
		if got := clientPathOK(addr); got != want {
			t.Errorf("%q: %v", addr, got)
		}
	}
}
