package smtp

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/posthaste-mta/posthaste/message"
)

// oneReply is a reply as RFC 5321 4.2 and RFC 2034 want it, in printable ASCII.
var oneReply = regexp.MustCompile(`^(([245])[0-9][0-9][ -](?:([245])\.[0-9]{1,3}\.[0-9]{1,3} )?|354 |334 )[ -~]{0,490}\r\n$`)

// FuzzServerDialogue feeds a server with anything. It must come to an end, in well-formed replies,
// and hand only regular content on; and the pieces in which the input comes must not matter.
func FuzzServerDialogue(f *testing.F) {
	files, err := filepath.Glob("testdata/server/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal("no dialogues:", err)
	}
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(clientSide(string(text)), uint8(i), i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, input []byte, piece uint8, normalise bool) {
		cfg := ServerConfig{MaxMessageBytes: 2000, MaxLineLength: 500, MaxRecipients: 5, AllowInsecureAuth: true}
		if normalise {
			cfg.BareNewlines = BareNormalise
		}
		play := func(pieces [][]byte) (string, string) {
			record := &serverRecord{auth: true}
			record.body = assertRegular(t, "")
			s := &Server{Backend: record, Config: cfg}
			output := runScript(s, pieces...).output()
			if used := s.cfg.Memory.Used(); used != 0 {
				t.Fatalf("%d bytes not given back", used)
			}
			return output, record.String()
		}
		output, told := play([][]byte{input})
		for line := range strings.Lines(output) {
			if !oneReply.MatchString(line) {
				t.Fatalf("reply %q", line)
			}
		}
		// STARTTLS is not offered here: there, what comes at once makes a difference.
		if output2, told2 := play(cutPieces(input, int(piece))); output2 != output || told2 != told {
			t.Fatalf("at once:\n%s\n%s\nin pieces of %d:\n%s\n%s", output, told, piece, output2, told2)
		}
	})
}

// clientSide returns what the client sends in a dialogue of testdata.
func clientSide(text string) []byte {
	var b []byte
	for line := range strings.SplitSeq(text, "\n") {
		switch kind, rest, _ := strings.Cut(line, ": "); {
		case kind == "C" && rest != "(hangs up)":
			b = append(b, rest+"\r\n"...)
		case kind == "R":
			raw, err := strconv.Unquote(rest)
			if err != nil {
				panic(err)
			}
			b = append(b, raw...)
		}
	}
	return b
}

// FuzzServerMail reads the argument of MAIL or RCPT; what is taken must be what it looks like.
func FuzzServerMail(f *testing.F) {
	for _, seed := range []string{
		"<a@a.test> SIZE=1 BODY=8BITMIME RET=FULL ENVID=x+2B", "<>", "<@r.test:a@a.test>", `<"a>b"@a.test> AUTH=<>`,
		"<a@a.test> NOTIFY=NEVER ORCPT=rfc822;a@a.test", "<jörg@a.test> SMTPUTF8", "<a@a.test>  X", "<a@[IPv6:::1]> SIZE=99999999999999999999999",
		`<"a\`, "<@a", "<a@a.test> =", "<a@a.test> ENVID=+0D+0A",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		mailbox, params, err := splitPath([]byte(arg))
		if err != nil {
			return
		}
		if !strings.Contains(arg, "<") || !strings.Contains(arg, string(mailbox)+">"+string(params)) {
			t.Fatalf("%q is %q and %q", arg, mailbox, params)
		}
		var mail gosmtp.MailOptions
		if _, err := (mailParameters{utf8: true, dsn: true, auth: true, requireTLS: true}).parse([]byte(string(params)), &mail); err == nil {
			if mail.Size < 0 || len(mail.EnvelopeID) > maxEnvelopeID || unprintable(mail.EnvelopeID) {
				t.Fatalf("%q: %+v", params, mail)
			}
			if mail.Auth != nil && *mail.Auth != "" {
				if _, err := message.ParseAddress(*mail.Auth, false); err != nil {
					t.Fatalf("%q: %v", params, err)
				}
			}
		}
		var rcpt gosmtp.RcptOptions
		if _, err := parseRcptParameters([]byte(string(params)), true, &rcpt); err == nil {
			if len(rcpt.Notify) > 3 || strings.ContainsAny(rcpt.OriginalRecipient, "\r\n\x00") {
				t.Fatalf("%q: %+v", params, rcpt)
			}
		}
	})
}

func unprintable(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
