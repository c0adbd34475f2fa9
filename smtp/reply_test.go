package smtp

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/posthaste-mta/posthaste/message"
)

func TestReply(t *testing.T) {
	for _, tt := range []struct {
		in       string
		code     int
		enhanced string
		text     string
		rest     string
	}{
		{"250 ok\r\n", 250, "", "ok", ""},
		{"250 2.1.0 ok\r\n354 go\r\n", 250, "2.1.0", "ok", "354 go\r\n"},
		{"250\r\n", 250, "", "", ""},
		{"250 \r\n", 250, "", "", ""},
		{"250 ok\n", 250, "", "ok", ""},
		{"550-5.1.1 no such\r\n550-5.1.1 user\r\n550 5.1.1\r\n", 550, "5.1.1", "no such\nuser\n", ""},
		{"550-5.1.1 no\r\n550 see 5.1.1\r\n", 550, "5.1.1", "no\nsee 5.1.1", ""},
		{"451-4.7.1 a\n452 4.7.1 b\n", 452, "4.7.1", "a\nb", ""},
		{"550 4.7.1 of two minds\r\n", 550, "", "4.7.1 of two minds", ""},
		{"550 5.7.26\tauth\r\n", 550, "5.7.26", "auth", ""},
		{"550 5.1000.1 x\r\n", 550, "", "5.1000.1 x", ""},
		{"550 5.1.1x\r\n", 550, "", "5.1.1x", ""},
		{"550 a\x00b\rc\x1b[31m\tü\xff\u0085\r\n", 550, "", "a?b?c?[31m ü??", ""},
	} {
		r, n, err := parseReply([]byte(tt.in), 10)
		if err != nil {
			t.Errorf("%q: %v", tt.in, err)
			continue
		}
		st := r.status()
		if st.Code != tt.code || st.Enhanced.String() != tt.enhanced || st.Text != tt.text || !st.Remote || tt.in[n:] != tt.rest {
			t.Errorf("%q: got %d %q %q, rest %q", tt.in, st.Code, st.Enhanced.String(), st.Text, tt.in[n:])
		}
	}
}

func TestReplyUnfinished(t *testing.T) {
	for _, in := range []string{"", "2", "25", "250", "250 ok", "250-a\r\n", "250-a\r\n250", "250-a\r\n25"} {
		if _, n, err := parseReply([]byte(in), 10); n != 0 || err != nil {
			t.Errorf("%q: %d, %v", in, n, err)
		}
	}
}

func TestReplyGarbage(t *testing.T) {
	for _, in := range []string{"\r\n", "25\r\n", "HTTP/1.1 400\r\n", "2x", "650 a\r\n", "150 a\r\n", "250+ok\r\n", "2500\r\n",
		"550-no\r\n250 yes\r\n", "550-no\r\n25", "250-a\r\nb\r\n", strings.Repeat("250-a\r\n", 11)} {
		if _, n, err := parseReply([]byte(in), 10); in != "550-no\r\n25" && !errors.Is(err, ErrProtocol) {
			t.Errorf("%q: %d, %v", in, n, err)
		}
	}
}

func TestExtensionsParsed(t *testing.T) {
	r, _, err := parseReply([]byte("250-mx.test at your service\r\n250-size 35882577\r\n250-PIPELINING\r\n"+
		"250-AUTH PLAIN login\r\n250-AUTH=LOGIN XTEXT\r\n250-X-UNKNOWN\r\n250-STARTTLS\r\n250 SMTPUTF8\r\n"), 20)
	if err != nil {
		t.Fatal(err)
	}
	ext := parseExtensions(r)
	if !ext.ESMTP || ext.Name != "mx.test" || ext.Size != 35882577 || !ext.SizeOffered || !ext.Pipelining || !ext.StartTLS ||
		!ext.SMTPUTF8 || ext.Chunking || strings.Join(ext.Auth, " ") != "PLAIN LOGIN XTEXT" {
		t.Errorf("%+v", ext)
	}
	for _, size := range []string{"", "0", "-1", "99999999999999999999", "x"} {
		if n := parseSizeLimit(size); n != 0 {
			t.Errorf("SIZE %q is %d", size, n)
		}
	}
}

// FuzzReply: a reply is parsed the same in whatever pieces it comes, and its text can stand in a
// log or a report.
func FuzzReply(f *testing.F) {
	for _, s := range []string{"250 ok\r\n", "250-a\r\n250 2.0.0 b\r\n", "550 5.1.1 \x00\xff\r\n", "2", "\n", "250\n250\n", "421-4.3.2\n450 x\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, n, err := parseReply(b, 5)
		if n < 0 || n > len(b) || (err != nil && n != 0) {
			t.Fatalf("n %d of %d, %v", n, len(b), err)
		}
		for i := range n { // none of its beginnings is a reply or an error
			if _, k, err := parseReply(b[:i], 5); k != 0 || err != nil {
				t.Fatalf("%q: %d, %v", b[:i], k, err)
			}
		}
		if n == 0 {
			return
		}
		st := r.status()
		if st.Code < 200 || st.Code > 599 || !utf8.ValidString(st.Text) || len(st.Text) > replyMaxText {
			t.Fatalf("%+v", st)
		}
		for _, c := range st.Text {
			if c != '\n' && unicode.IsControl(c) {
				t.Fatalf("%q", st.Text)
			}
		}
		if e := st.Enhanced; e != (message.EnhancedCode{}) && e[0] != st.Code/100 {
			t.Fatalf("%+v", st)
		}
		parseExtensions(r)
	})
}
