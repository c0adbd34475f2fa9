package main

import (
	"strings"
	"testing"
)

func TestSendmailArgs(t *testing.T) {
	opt, err := parseSendmailArgs([]string{"-ti", "-oMrlocal", "-f", "a@b", "-qR", "example.com"})
	if err != nil || !opt.fromHeader || !opt.ignoreDots || *opt.sender != "a@b" {
		t.Errorf("%+v, %v", opt, err)
	}
	if opt.mode != 'q' || opt.flush != 'R' || opt.flushMatch != "example.com" {
		t.Errorf("flush: %+v", opt)
	}
	// What looks like a flag behind -- is an address.
	opt, err = parseSendmailArgs([]string{"--", "-f"})
	if err != nil || len(opt.recipients) != 1 || opt.recipients[0] != "-f" {
		t.Errorf("%+v, %v", opt, err)
	}
	// The interval of a daemon of old asks for nothing.
	if opt, err := parseSendmailArgs([]string{"-q30m"}); err != nil || opt.mode != 'q' || opt.flush != 0 {
		t.Errorf("%+v, %v", opt, err)
	}
}

func TestSubmissionListener(t *testing.T) {
	for _, c := range []struct {
		want      string
		listeners []Listener
	}{
		{"127.0.0.1:587", nil},
		{"127.0.0.1:25", []Listener{{Kind: "mx", Address: ":25"}}},
		{"127.0.0.1:2587", []Listener{{Kind: "mx", Address: ":25"}, {Kind: "submission", Address: "0.0.0.0:2587"}}},
		{"[2001:db8::1]:587", []Listener{{Kind: "submission", Address: "[2001:db8::1]:587"}}},
		{"127.0.0.1:587", []Listener{{Kind: "submission", Address: ":465", TLS: "implicit"}}},
	} {
		if got := submissionListener(c.listeners); got != c.want {
			t.Errorf("%v: %s, want %s", c.listeners, got, c.want)
		}
	}
}

func TestFromField(t *testing.T) {
	for name, want := range map[string]string{
		"":             "<a@b>",
		"Ann B. (C)":   `"Ann B. (C)" <a@b>`,
		"Jürgen":       "=?utf-8?q?J=C3=BCrgen?= <a@b>",
		"x\r\nBcc: me": `"xBcc: me" <a@b>`,
	} {
		if got := fromField(name, "a@b"); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func FuzzSendmailArgs(f *testing.F) {
	f.Add("-t -f a@b -oi -N never x@y")
	f.Add("-qRexample.com -bp -- -x")
	f.Fuzz(func(t *testing.T, line string) {
		opt, err := parseSendmailArgs(strings.Split(line, " "))
		if err == nil && opt.mode == 'm' && len(opt.recipients) == 0 && !opt.fromHeader {
			t.Errorf("%q: mail to nobody was taken", line)
		}
	})
}

func FuzzHeaderRecipients(f *testing.F) {
	f.Add("To: a@b\nBcc: c@d,\n e@f\n\nbody")
	f.Add("Resent-To: x@y\nTo: a@b\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		content, err := readMessage(strings.NewReader(text), true)
		if err != nil {
			t.Fatal(err)
		}
		content = withHeader(withoutMboxLine(content), "<me@here>")
		if _, rest, err := headerRecipients(content); err == nil && len(rest) > len(content) {
			t.Error("the message grew")
		}
	})
}
