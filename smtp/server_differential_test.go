package smtp

import (
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	gosmtp "github.com/emersion/go-smtp"
)

// The same Session runs on go-smtp's server and on ours, and the dialogues below are held against
// each other: reply codes, and what the Session was told. Where the two differ on purpose, "why"
// says so, and both answers are written down.
var differentialDialogues = []struct {
	name   string
	client string
	why    string
	ours   string // reply codes, when they differ on purpose
	theirs string
}{
	{name: "one message", client: "EHLO c.test|MAIL FROM:<a@a.test>|RCPT TO:<b@b.test>|DATA|Subject: x||..dot|...|.|QUIT"},
	{name: "null sender", client: "EHLO c.test|MAIL FROM:<>|RCPT TO:<b@b.test>|DATA|.|QUIT"},
	{name: "two messages", client: "EHLO c.test|MAIL FROM:<a@a.test>|RCPT TO:<b@b.test>|DATA|1|.|MAIL FROM:<c@a.test>|RCPT TO:<d@b.test>|DATA|2|.|QUIT"},
	{name: "refused recipient", client: "EHLO c.test|MAIL FROM:<a@a.test>|RCPT TO:<no@b.test>|RCPT TO:<later@b.test>|RCPT TO:<b@b.test>|DATA|x|.|QUIT"},
	{name: "parameters", client: "EHLO c.test|MAIL FROM:<a@a.test> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=a+2Bb|RCPT TO:<b@b.test> NOTIFY=SUCCESS,FAILURE ORCPT=RFC822;b@b.test|DATA|x|.|QUIT"},
	{name: "UTF-8", client: "EHLO c.test|MAIL FROM:<jörg@a.test> SMTPUTF8|RCPT TO:<θ@b.test> ORCPT=UTF-8;\\x{3B8}@b.test|DATA|x|.|QUIT"},
	{name: "reset", client: "EHLO c.test|MAIL FROM:<a@a.test>|RCPT TO:<b@b.test>|RSET|MAIL FROM:<c@a.test>|QUIT"},
	{name: "EHLO resets", client: "EHLO c.test|MAIL FROM:<a@a.test>|EHLO c.test|MAIL FROM:<c@a.test>|QUIT"},
	{name: "source route", client: "EHLO c.test|MAIL FROM:<@r.test:a@a.test>|RCPT TO:<@r.test,@s.test:b@b.test>|QUIT"},
	{name: "syntax", client: "EHLO c.test|MAIL FROM:<a|MAIL FROM:|EHLO|QUIT"},
	{name: "size", client: "EHLO c.test|MAIL FROM:<a@a.test> SIZE=200000|MAIL FROM:<a@a.test> SIZE=x|QUIT"},
	{name: "small commands", client: "EHLO c.test|NOOP|VRFY b|RSET|EXPN list|QUIT"},
	{name: "chunks", client: "EHLO c.test|MAIL FROM:<a@a.test>|RCPT TO:<b@b.test>|BDAT 3|a|BDAT 3 LAST|b|QUIT"},
	{name: "empty last chunk", client: "EHLO c.test|MAIL FROM:<a@a.test>|RCPT TO:<b@b.test>|BDAT 3|a|BDAT 0 LAST|QUIT"},
	{name: "chunk too big", client: "EHLO c.test|MAIL FROM:<a@a.test>|RCPT TO:<b@b.test>|BDAT 150000 LAST|" + strings.Repeat("x", 149_998) + "|NOOP|QUIT"},

	{name: "MAIL before EHLO", client: "MAIL FROM:<a@a.test>|QUIT",
		why: "bad order is 503 (RFC 5321 4.1.4)", ours: "220 503 221", theirs: "220 502 221"},
	{name: "RCPT before MAIL", client: "EHLO c.test|RCPT TO:<b@b.test>|DATA|QUIT",
		why: "as above", ours: "220 250 503 503 221", theirs: "220 250 502 502 221"},
	{name: "nested MAIL", client: "EHLO c.test|MAIL FROM:<a@a.test>|MAIL FROM:<c@a.test>|QUIT",
		why: "a second MAIL would replace the sender of accepted recipients", ours: "220 250 250 503 221", theirs: "220 250 250 250 221"},
	{name: "authentication needed", client: "EHLO c.test|MAIL FROM:<auth@a.test>|QUIT",
		why: "530 (RFC 4954 6)", ours: "220 250 530 221", theirs: "220 250 502 221"},
	{name: "unknown parameter", client: "EHLO c.test|MAIL FROM:<a@a.test> X=1|QUIT",
		why: "555 (RFC 5321 4.1.1.11)", ours: "220 250 555 221", theirs: "220 250 500 221"},
	{name: "parameter twice", client: "EHLO c.test|MAIL FROM:<a@a.test> SIZE=1 SIZE=2|QUIT",
		why: "one of the two would win unseen", ours: "220 250 501 221", theirs: "220 250 250 221"},
	{name: "no brackets", client: "EHLO c.test|MAIL FROM:a@a.test|QUIT",
		why: "a path has brackets (RFC 5321 4.1.2)", ours: "220 250 501 221", theirs: "220 250 250 221"},
	{name: "bad domain", client: "EHLO c.test|MAIL FROM:<a@b@c>|QUIT",
		why: "not a mailbox", ours: "220 250 501 221", theirs: "220 250 250 221"},
	{name: "postmaster", client: "EHLO c.test|MAIL FROM:<a@a.test>|RCPT TO:<postmaster>|QUIT",
		why: "RFC 5321 4.5.1", ours: "220 250 250 250 221", theirs: "220 250 250 501 221"},
	{name: "UTF-8 without SMTPUTF8", client: "EHLO c.test|MAIL FROM:<jörg@a.test>|QUIT",
		why: "RFC 6531 3.4", ours: "220 250 553 221", theirs: "220 250 250 221"},
	{name: "unknown error", client: "EHLO c.test|MAIL FROM:<a@a.test>|RCPT TO:<wrapped@b.test>|QUIT",
		why: "a wrapped SMTPError is the reply too", ours: "220 250 250 550 221", theirs: "220 250 250 451 221"},
	{name: "bare LF in content", client: "EHLO c.test|MAIL FROM:<a@a.test>|RCPT TO:<b@b.test>|DATA|a\nb|.|QUIT",
		why: "never passed on", ours: "220 250 250 250 354 550 221", theirs: "220 250 250 250 354 250 221"},
	{name: "CR CR LF . CR LF", client: "EHLO c.test|MAIL FROM:<a@a.test>|RCPT TO:<b@b.test>|DATA|a\r|.|MAIL FROM:<evil@a.test>|.|QUIT",
		why: "it contains CR LF . CR LF, so it is the end; and doubtful", ours: "220 250 250 250 354 550", theirs: "220 250 250 250 354 250 221"},
	{name: "chunk size junk", client: "EHLO c.test|MAIL FROM:<a@a.test>|RCPT TO:<b@b.test>|BDAT -1 LAST|RSET|QUIT",
		why: "what follows might be the chunk", ours: "220 250 250 250 501", theirs: "220 250 250 250 501 250 221"},
	{name: "DATA after BDAT", client: "EHLO c.test|MAIL FROM:<a@a.test>|RCPT TO:<b@b.test>|BDAT 3|a|DATA|QUIT",
		why: "503 (RFC 3030 2)", ours: "220 250 250 250 250 503 221", theirs: "220 250 250 250 250 502 221"},
	{name: "chunk without end of line", client: "EHLO c.test|MAIL FROM:<a@a.test>|RCPT TO:<b@b.test>|BDAT 6 LAST|NOOP|NOOP|QUIT",
		why: "none, codes agree: content gets its last CR LF", ours: "220 250 250 250 250 250 221", theirs: "220 250 250 250 250 250 221"},
	{name: "HELP", client: "HELP|QUIT", why: "it costs nothing", ours: "220 214 221", theirs: "220 502 221"},
	{name: "control characters", client: "EHLO c.test|MAIL FROM:<a\x01@a.test>|QUIT",
		why: "they end up in headers and logs", ours: "220 250 500 221", theirs: "220 250 250 221"},
	{name: "HTTP", client: "GET / HTTP/1.1|Host: x||QUIT",
		why: "cut off at once", ours: "220 554", theirs: "220 501 501 500 221"},
	{name: "STARTTLS without TLS", client: "STARTTLS|QUIT"},
}

func TestServerAgainstGoSMTP(t *testing.T) {
	for _, d := range differentialDialogues {
		t.Run(strings.ReplaceAll(d.name, " ", "_"), func(t *testing.T) {
			wire := strings.ReplaceAll(d.client, "|", "\r\n") + "\r\n"
			ourRecord, theirRecord := &serverRecord{}, &serverRecord{}
			_, addr := startServer(t, ServerConfig{MaxMessageBytes: 100_000}, ourRecord)
			ours := strings.Join(replyCodes(playRaw(t, addr, wire)), " ")
			theirs := strings.Join(replyCodes(playRaw(t, startGoSMTP(t, theirRecord), wire)), " ")
			wantOurs, wantTheirs := d.ours, d.theirs
			if wantOurs == "" {
				wantOurs, wantTheirs = theirs, theirs
			}
			if ours != wantOurs || theirs != wantTheirs {
				t.Errorf("ours   %s, want %s\ntheirs %s, want %s", ours, wantOurs, theirs, wantTheirs)
			}
			if d.ours == "" && !slices.Equal(ourRecord.lines(), theirRecord.lines()) {
				t.Errorf("ours was told\n%s\ntheirs\n%s", ourRecord, theirRecord)
			}
		})
	}
}

// playRaw sends all at once and returns all that the server says.
func playRaw(t *testing.T, addr, wire string) string {
	c := socketClient(t, addr)
	defer c.nc.Close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(c.nc, wire) // the server may hang up early
	}()
	output, _ := io.ReadAll(c.nc)
	c.nc.Close()
	<-sent
	return string(output)
}

func startGoSMTP(t *testing.T, record *serverRecord) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return record.session(), nil }))
	s.MaxMessageBytes = 100_000
	s.MaxLineLength = 1 << 20 // it also cuts a chunk that comes in one read with its command
	s.EnableDSN, s.EnableSMTPUTF8 = true, true
	s.ErrorLog = discardLog{}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return l.Addr().String()
}

type discardLog struct{}

func (discardLog) Printf(string, ...any) {}
func (discardLog) Println(...any)        {}
