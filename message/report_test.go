package message

import (
	"bufio"
	"bytes"
	"flag"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	arrived = time.Date(2025, 3, 1, 9, 30, 0, 0, time.UTC)
	now     = time.Date(2025, 3, 1, 13, 31, 7, 0, time.UTC)
)

// original is a message with these fields in front of the ones that all have.
func original(fields, body string) []byte {
	return []byte(fields + "From: shop@a.test\r\nTo: bob@example.net\r\nDate: Sat, 01 Mar 2025 09:29:58 +0000\r\n\r\n" + body)
}

// reports are the stories that testdata/report/NAME.eml shows.
var reports = map[string]Report{
	"failure": {
		Envelope:   &Envelope{Sender: "shop@a.test", EnvelopeID: "QQ  314+159", MessageID: "1@a.test"},
		Content:    original("Message-ID: <1@a.test>\r\nSubject: Your order\r\n", "Thank you.\r\n"),
		Recipients: []ReportRecipient{noSuchUser},
	},
	"failure_two_recipients": {
		Envelope: &Envelope{Sender: "shop@a.test", Return: ReturnHeaders},
		Content:  original("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n", "Thank you.\r\n"),
		Recipients: []ReportRecipient{noSuchUser, {
			Recipient: Recipient{Address: "carol@example.org", OriginalType: "rfc822", Original: "c+list@alias.test"},
			Status: Status{Code: 552, Enhanced: EnhancedCode{5, 2, 2}, Remote: true,
				Text: "The mailbox is over its quota.\nSee https://example.org/help for what to do about it, and when to send again"},
			RemoteMTA: "mx.example.org", LastAttempt: now,
		}},
	},
	"expired": {
		Envelope: &Envelope{Sender: "shop@a.test"},
		Content:  original("Subject: Your order\r\n", "Thank you.\r\n"),
		Recipients: []ReportRecipient{{
			Recipient:   Recipient{Address: "bob@example.net"},
			Status:      Status{Code: 451, Enhanced: EnhancedCode{4, 4, 1}, Text: "dial tcp 192.0.2.1:25: connection refused"},
			LastAttempt: now,
		}},
	},
	"delay": {
		Kind:     ReportDelay,
		Envelope: &Envelope{Sender: "shop@a.test", Return: ReturnFull},
		Content:  original("Subject: Your order\r\n", "Thank you.\r\n"),
		Recipients: []ReportRecipient{{
			Recipient: Recipient{Address: "bob@example.net"},
			Status:    Status{Code: 451, Text: "try again later", Remote: true}, RemoteMTA: "mx1.example.net",
			LastAttempt: now, WillRetryUntil: arrived.Add(5 * 24 * time.Hour),
		}},
	},
	"relayed": {
		Kind:     ReportSuccess,
		Envelope: &Envelope{Sender: "shop@a.test", EnvelopeID: "314159"},
		Content:  original("Subject: Your order\r\n", "Thank you.\r\n"),
		Recipients: []ReportRecipient{{
			Recipient: Recipient{Address: "bob@example.net", Notify: NotifySuccess},
			Status:    Status{Code: 250, Enhanced: EnhancedCode{2, 0, 0}, Text: "Ok: queued as 4711", Remote: true}, RemoteMTA: "mx1.example.net",
			LastAttempt: now,
		}},
	},
	"hostile_reply": {
		Envelope: &Envelope{Sender: "shop@a.test", MessageID: "1@a.test>\r\nBcc: eve@evil.test", EnvelopeID: "x\r\nAction: delivered"},
		Content:  original("Subject: a\r\n b\x1b[31m =?bad\r\n", "--posthaste.0abcdefghjkmn\r\n\r\n--posthaste.0abcdefghjkmn.1--\r\n"),
		Recipients: []ReportRecipient{{
			Recipient: Recipient{Address: "bob@example.net", OriginalType: "rfc822;x\r\ny", Original: "a\r\nAction: delivered"},
			Status: Status{Code: 550, Enhanced: EnhancedCode{2, 1, 5}, Remote: true,
				Text: "no\r\n\r\nFinal-Recipient: rfc822; eve@evil.test\nAction: delivered\n\x00\x1b[2J\u202egnp.exe \xff " + strings.Repeat("long", 400)},
			RemoteMTA: "mx1\r\n.example.net (x", LastAttempt: now,
		}},
	},
	"eight_bit_body": {
		Envelope:   &Envelope{Sender: "shop@a.test", Body: Body8Bit},
		Content:    original("Subject: Your order\r\nX-Raw: Gr\xfc\xdfe\r\n", "Gr\xc3\xbc\xc3\x9fe\r\n"),
		Recipients: []ReportRecipient{noSuchUser},
	},
	"eight_bit_header_only": {
		Envelope:   &Envelope{Sender: "shop@a.test", Body: Body8Bit, Return: ReturnHeaders},
		Content:    original("Subject: Your order\r\nX-Raw: Gr\xfc\xdfe\r\n", "Gr\xc3\xbc\xc3\x9fe\r\n"),
		Recipients: []ReportRecipient{noSuchUser},
	},
	"utf8_sender": {
		Envelope:   &Envelope{Sender: "grüße@a.test", UTF8: true, Body: Body8Bit},
		Content:    original("Subject: Grüße\r\n", "Grüße\r\n"),
		Recipients: []ReportRecipient{noSuchUTF8User},
	},
	"utf8_recipient_only": {
		Envelope:   &Envelope{Sender: "shop@a.test", UTF8: true, Body: Body8Bit},
		Content:    original("Subject: Grüße\r\n", "Grüße\r\n"),
		Recipients: []ReportRecipient{noSuchUTF8User},
	},
	"utf8_recipient_header_only": {
		Envelope:   &Envelope{Sender: "shop@a.test", UTF8: true, Body: Body8Bit, Return: ReturnHeaders},
		Content:    original("Subject: Grüße\r\n", "Grüße\r\n"),
		Recipients: []ReportRecipient{noSuchUTF8User},
	},
	"long_lines": { // of the whole only what every host takes can be returned
		Envelope: &Envelope{Sender: "shop@a.test"},
		Content:  original("Subject: Your order\r\nX-Long: "+strings.Repeat("x", 1000)+"\r\n", "Thank you.\r\n"),
		Recipients: []ReportRecipient{{
			Recipient: Recipient{Address: `"a  (b"@example.net`}, Status: Status{Code: 550, Text: "no", Remote: true},
			RemoteMTA: "mx1.example.net", LastAttempt: now,
		}},
	},
	"long_line_in_body": {
		Envelope:   &Envelope{Sender: "shop@a.test"},
		Content:    original("Subject: Your order\r\n", strings.Repeat("x", 1000)+"\r\n"),
		Recipients: []ReportRecipient{noSuchUser},
	},
	"without_original": {
		Envelope:   &Envelope{Sender: "shop@a.test"},
		Recipients: []ReportRecipient{noSuchUser},
	},
}

var noSuchUser = ReportRecipient{
	Recipient: Recipient{Address: "bob@example.net", OriginalType: "rfc822", Original: "bob@example.net"},
	Status:    Status{Code: 550, Enhanced: EnhancedCode{5, 1, 1}, Text: "no such user here", Remote: true},
	RemoteMTA: "mx1.example.net", LastAttempt: now,
}

var noSuchUTF8User = ReportRecipient{
	Recipient: Recipient{Address: "用户@example.net", OriginalType: "utf-8", Original: "用户@example.net"},
	Status:    Status{Code: 550, Enhanced: EnhancedCode{5, 1, 1}, Text: "没有这个用户", Remote: true},
	RemoteMTA: "mx1.example.net", LastAttempt: now,
}

// build completes a story with what they all share.
func build(r Report) ([]byte, bool) {
	env := *r.Envelope
	env.ArrivedAt = arrived
	r.Envelope, r.Hostname, r.Now, r.ID = &env, "mx.posthaste.test", now, "0abcdefghjkmn"
	return BuildReport(r)
}

func TestReportsGolden(t *testing.T) {
	for name, r := range reports {
		t.Run(name, func(t *testing.T) {
			got, _ := build(r)
			file := filepath.Join("testdata", "report", name+".eml")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("differs from %s (-want +got); go test -update writes it anew:\n%s", file, diff)
			}
		})
	}
}

// readPart is a part of a report as a mail program gets it.
type readPart struct {
	Type string
	Body []byte
}

// readReport takes a report apart with the standard library's parsers.
func readReport(t *testing.T, content []byte) (mail.Header, []readPart) {
	t.Helper()
	if err := CheckLines(content, 998); err != nil {
		t.Fatal(err)
	}
	msg, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" {
		t.Fatalf("content type %q: %v", kind, err)
	}
	var parts []readPart
	for r := multipart.NewReader(msg.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, _, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		var body io.Reader = p
		encoding := p.Header.Get("Content-Transfer-Encoding")
		if encoding == "quoted-printable" {
			body = quotedprintable.NewReader(p)
		}
		raw, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		if encoding == "7bit" && Has8Bit(raw) {
			t.Errorf("%s is labelled 7bit and is not", kind)
		}
		if encoding == "8bit" && msg.Header.Get("Content-Transfer-Encoding") != "8bit" {
			t.Errorf("%s is 8bit in a report that is not", kind)
		}
		parts = append(parts, readPart{kind, raw})
	}
	if want := parts[1].Type; "message/"+params["report-type"] != want {
		t.Errorf("report type %s, second part %s", params["report-type"], want)
	}
	return msg.Header, parts
}

// readStatus returns the groups of fields of a delivery status.
func readStatus(t *testing.T, body []byte) (groups []textproto.MIMEHeader) {
	t.Helper()
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(body, "\r\n"...))))
	for {
		h, err := r.ReadMIMEHeader()
		if len(h) > 0 {
			groups = append(groups, h)
		}
		if err == io.EOF {
			return groups
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestReportsAreReadBack(t *testing.T) {
	for name, story := range reports {
		t.Run(name, func(t *testing.T) {
			content, utf8 := build(story)
			header, parts := readReport(t, content)
			if header.Get("Auto-Submitted") != "auto-replied" || header.Get("Mime-Version") != "1.0" {
				t.Errorf("header %v", header)
			}
			if header.Get("To") != "<"+story.Envelope.Sender+">" || header.Get("Bcc") != "" {
				t.Errorf("header %v", header)
			}
			if wantUTF8 := !isASCII(story.Envelope.Sender); utf8 != wantUTF8 || !utf8 && Has8Bit(content[:HeaderEnd(content)]) {
				t.Errorf("utf8 %v, want %v", utf8, wantUTF8)
			}
			groups := readStatus(t, parts[1].Body)
			if len(groups) != 1+len(story.Recipients) {
				t.Fatalf("%d groups of status fields for %d recipients", len(groups), len(story.Recipients))
			}
			for i, group := range groups[1:] {
				action := []string{"failed", "delayed", "relayed"}[story.Kind]
				if got := group["Action"]; len(got) != 1 || got[0] != action {
					t.Errorf("recipient %d: action %q, want %s", i, got, action)
				}
			}
			if len(story.Content) == 0 {
				if len(parts) != 2 {
					t.Errorf("%d parts", len(parts))
				}
				return
			}
			want := story.Content
			if story.Kind != ReportFailure || story.Envelope.Return == ReturnHeaders || strings.HasPrefix(name, "long_line") {
				want = want[:HeaderEnd(want)]
			}
			if len(parts) != 3 || !bytes.Equal(parts[2].Body, want) {
				t.Errorf("the original came back as %q\nwant %q", parts[2:], want)
			}
		})
	}
}

func TestReportOfLargeMessageReturnsHeader(t *testing.T) {
	story := reports["failure"]
	story.Content = append(original("Subject: big\r\n", ""), bytes.Repeat([]byte("0123456789\r\n"), 1000)...)
	for limit, want := range map[int]string{0: "message/rfc822", 5000: "text/rfc822-headers", -1: "text/rfc822-headers", 1 << 20: "message/rfc822"} {
		story.ReturnFullLimit = limit
		content, _ := build(story)
		if _, parts := readReport(t, content); parts[2].Type != want {
			t.Errorf("limit %d: returned %s, want %s", limit, parts[2].Type, want)
		}
	}
	story.ReturnFullLimit = 0
	story.Envelope = &Envelope{Sender: "shop@a.test", RequireTLS: true}
	story.Content = original("Subject: secret\r\n", "secret\r\n")
	content, _ := build(story)
	if _, parts := readReport(t, content); parts[2].Type != "text/rfc822-headers" {
		t.Errorf("REQUIRETLS: returned %s", parts[2].Type)
	}
	story.Content = append(bytes.Repeat([]byte("X-Filler: "+strings.Repeat("x", 900)+"\r\n"), 1000), story.Content...)
	content, _ = build(story)
	if _, parts := readReport(t, content); len(parts[2].Body) > maxReturnedHeader {
		t.Errorf("returned a header of %d bytes", len(parts[2].Body))
	}
}

// A name that is not a full one is not told as one (RFC 3461 6.3).
func TestReportOfNamelessHost(t *testing.T) {
	r := reports["failure"]
	r.Hostname, r.ID = "localhost", "0abcdefghjkmn"
	content, _ := BuildReport(r)
	if _, parts := readReport(t, content); !strings.HasPrefix(string(parts[1].Body), "Reporting-MTA: x-local-hostname; localhost\r\n") {
		t.Errorf("%s", parts[1].Body)
	}
}

// FuzzReport holds a report against what a peer can choose: its shape stays.
func FuzzReport(f *testing.F) {
	f.Add("550 no", "mx.test", "bob@b.test", "rfc822", "o@b.test", "envid", "mid", []byte("Subject: x\r\n\r\nbody\r\n"), uint8(0))
	f.Add("a\r\nAction: delivered\r\n\r\nx", "m\nx", "b\r\no@b", "utf-8", "ü@b", "\x00", ">\r\n", []byte("--posthaste.0abcdefghjkmn\r\n"), uint8(7))
	f.Fuzz(func(t *testing.T, text, mta, rcpt, kind, orig, envid, mid string, content []byte, bits uint8) {
		if CheckLines(content, 0) != nil {
			return // no such content is ever accepted
		}
		r := Report{
			Kind:     ReportKind(bits % 3),
			Envelope: &Envelope{Sender: "shop@a.test", EnvelopeID: envid, MessageID: mid, UTF8: bits&8 != 0, Return: Return(bits >> 4 % 3)},
			Content:  content,
			Recipients: []ReportRecipient{{
				Recipient: Recipient{Address: rcpt[:min(len(rcpt), maxAddress)], OriginalType: kind[:min(len(kind), 40)], Original: orig},
				Status:    Status{Code: 550, Text: text, Remote: bits&4 != 0}, RemoteMTA: mta,
			}},
		}
		got, _ := build(r)
		_, parts := readReport(t, got)
		if want := 2 + min(len(content), 1); len(parts) != want {
			t.Fatalf("%d parts, want %d\n%s", len(parts), want, got)
		}
		if groups := readStatus(t, parts[1].Body); len(groups) != 2 || len(groups[1]["Action"]) != 1 {
			t.Fatalf("status %v", groups)
		}
	})
}
