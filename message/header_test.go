package message

import (
	"bytes"
	"errors"
	"net/mail"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestHeaderScan(t *testing.T) {
	for _, c := range []struct {
		name, content string
		fields        []string // name=value
		end           string   // what HeaderEnd leaves
	}{
		{"plain", "From: a\r\nTo: b\r\n\r\nbody: x\r\n", []string{"From=a", "To=b"}, "\r\nbody: x\r\n"},
		{"folded", "Subject: a\r\n b\r\n\tc\r\nTo: b\r\n\r\n", []string{"Subject=a\r\n b\r\n\tc", "To=b"}, "\r\n"},
		{"blank before the colon", "Subject \t: a\r\n\r\n", []string{"Subject=a"}, "\r\n"},
		{"no value", "Subject:\r\nTo:\r\n \r\n\r\n", []string{"Subject=", "To="}, "\r\n"},
		{"no body", "From: a\r\n", []string{"From=a"}, ""},
		{"no line end", "From: a", []string{"From=a"}, ""},
		{"no header", "\r\nFrom: a\r\n", nil, "\r\nFrom: a\r\n"},
		{"body only", "Dear Bob,\r\n", nil, "Dear Bob,\r\n"},
		{"starts with a fold", " x\r\nFrom: a\r\n", nil, " x\r\nFrom: a\r\n"},
		{"malformed line", "From: a\r\nno colon here\r\nTo: b\r\n\r\n", []string{"From=a"}, "no colon here\r\nTo: b\r\n\r\n"},
		{"control in a name", "From: a\r\nT\x00: b\r\n\r\n", []string{"From=a"}, "T\x00: b\r\n\r\n"},
		{"colon first", ": a\r\n", nil, ": a\r\n"},
		{"empty", "", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			content := []byte(c.content)
			var got []string
			for f := range Fields(content) {
				got = append(got, string(f.Name(content))+"="+string(f.Value(content)))
			}
			if strings.Join(got, "|") != strings.Join(c.fields, "|") {
				t.Errorf("fields %q, want %q", got, c.fields)
			}
			if end := c.content[HeaderEnd(content):]; end != c.end {
				t.Errorf("behind the header: %q, want %q", end, c.end)
			}
		})
	}
}

func TestFindCountRemoveFields(t *testing.T) {
	content := []byte("Bcc: x\r\nRECEIVED: 1\r\nbcc: y,\r\n z\r\nReceived: 2\r\nBccx: 3\r\n\r\nBcc: body\r\n")
	if v, ok := FindField(content, "received"); !ok || string(v) != "1" {
		t.Errorf("found %q, %v", v, ok)
	}
	if _, ok := FindField(content, "Subject"); ok {
		t.Error("found what is not there")
	}
	if n := CountFields(content, "Received"); n != 2 {
		t.Errorf("%d Received", n)
	}
	before := bytes.Clone(content)
	want := "RECEIVED: 1\r\nReceived: 2\r\nBccx: 3\r\n\r\nBcc: body\r\n"
	if got := RemoveFields(content, "Return-Path", "Bcc"); string(got) != want || !bytes.Equal(content, before) {
		t.Errorf("left %q of %q", got, content)
	}
	if got := RemoveFields(content, "Subject"); &got[0] != &content[0] {
		t.Error("copied for nothing")
	}
}

func TestSummariseHeader(t *testing.T) {
	content := []byte("Received: x\r\nReturn-Path: <a@b>\r\nreceived: y\r\nFrom: ü\r\nFrom: b\r\nMESSAGE-ID: (c) <1@a.test> x\r\n" +
		"Message-ID: <2@a.test>\r\nDate: now\r\nResent-Bcc: c\r\n\r\nBcc: body\r\n")
	got := SummariseHeader(content)
	if got.End != HeaderEnd(content) || got.Received != 2 || got.From != 2 || string(got.MessageID) != "1@a.test" ||
		!got.Date || !got.Bcc || !got.ReturnPath || !got.Has8Bit || got.BodyOnly {
		t.Errorf("%+v", got)
	}
	for in, bodyOnly := range map[string]bool{"": false, "\r\n": false, "\r\nDate: x\r\n": false, "Dear Bob\r\n": true, " x: y\r\n": true} {
		if got := SummariseHeader([]byte(in)); got.BodyOnly != bodyOnly || got.MessageID != nil || got.Date || got.Bcc {
			t.Errorf("%q: %+v", in, got)
		}
	}
	for in, want := range map[string]string{
		"": "", "<>": "", "x@y": "x@y", "<a b@c>": "a", "<a\r\n b>": "a", "<a": "<a", "<" + strings.Repeat("x", 5000) + ">": strings.Repeat("x", 998),
	} {
		got := SummariseHeader([]byte("Message-ID: " + in + "\r\n")).MessageID
		if got == nil || string(got) != want {
			t.Errorf("Message-ID %.20q: %.20q", in, got)
		}
	}
}

func TestHas8Bit(t *testing.T) {
	for n := range 70 {
		line := bytes.Repeat([]byte{'~'}, n)
		if Has8Bit(line) {
			t.Errorf("8 bit in %d of ASCII", n)
		}
		for i := range line {
			line[i] = 0x80
			if !Has8Bit(line) {
				t.Errorf("byte %d of %d not seen", i, n)
			}
			line[i] = 0x7f
		}
	}
}

func TestCheckLines(t *testing.T) {
	for in, want := range map[string]error{
		"": nil, "a\r\n": nil, "a\r\n\r\nb": nil, "1234\r\n1234": nil,
		"\n": ErrBareLF, "a\nb\r\n": ErrBareLF, "a\r\n\n": ErrBareLF, "a\rb\r\n": ErrBareCR, "a\r\r\n": ErrBareCR, "a\r": ErrBareCR,
		"12345\r\n": ErrLongLine, "1\r\n12345": ErrLongLine, "a\x00\r\n": ErrNUL,
	} {
		if got := CheckLines([]byte(in), 4); !errors.Is(got, want) {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}

func TestAppendReceived(t *testing.T) {
	at := time.Date(2025, 3, 1, 9, 30, 0, 0, time.FixedZone("", 3600))
	for _, c := range []struct {
		name string
		in   Received
		want string
	}{
		{"all there is", Received{"client.test", netip.MustParseAddr("192.0.2.1"), "host.client.test", "mx.test", "ESMTPS", "0abc", "bob@example.net", "TLS1.3 TLS_AES_128_GCM_SHA256", at},
			"Received: from client.test (host.client.test [192.0.2.1])\r\n\tby mx.test with ESMTPS id 0abc\r\n\t(TLS1.3 TLS_AES_128_GCM_SHA256)\r\n\tfor <bob@example.net>;\r\n\tSat, 01 Mar 2025 09:30:00 +0100\r\n"},
		{"little", Received{By: "mx.test", Time: at}, "Received: from unknown\r\n\tby mx.test;\r\n\tSat, 01 Mar 2025 09:30:00 +0100\r\n"},
		{"mapped address", Received{HELO: "[192.0.2.1]", Client: netip.MustParseAddr("::ffff:192.0.2.1"), By: "mx.test", Time: at},
			"Received: from [192.0.2.1] ([192.0.2.1])\r\n\tby mx.test;\r\n\tSat, 01 Mar 2025 09:30:00 +0100\r\n"},
		{"IPv6", Received{HELO: "c", Client: netip.MustParseAddr("fe80::1%eth0"), By: "mx.test", Time: at},
			"Received: from c ([IPv6:fe80::1])\r\n\tby mx.test;\r\n\tSat, 01 Mar 2025 09:30:00 +0100\r\n"},
		{"UTF-8 recipient", Received{HELO: "c", By: "mx.test", With: "UTF8SMTPS", For: "grüße@a.test", Time: at},
			"Received: from c\r\n\tby mx.test with UTF8SMTPS\r\n\tfor <grüße@a.test>;\r\n\tSat, 01 Mar 2025 09:30:00 +0100\r\n"},
		{"UTF-8 where none may be", Received{HELO: "ü", By: "mx.test", With: "ESMTP", For: "grüße@a.test", Time: at},
			"Received: from ??\r\n\tby mx.test with ESMTP;\r\n\tSat, 01 Mar 2025 09:30:00 +0100\r\n"},
		{"hostile", Received{HELO: "a\r\nSubject: x (;", Client: netip.MustParseAddr("192.0.2.1"), Reverse: "b) by evil\n", By: "mx.test", For: "a>\r\nX: <@b", Time: at},
			"Received: from a??Subject:?x??? (b??by?evil? [192.0.2.1])\r\n\tby mx.test\r\n\tfor <a???X: ?@b>;\r\n\tSat, 01 Mar 2025 09:30:00 +0100\r\n"},
	} {
		if got := string(AppendReceived(nil, c.in)); got != c.want {
			t.Errorf("%s:\n%q\nwant\n%q", c.name, got, c.want)
		}
	}
	if got, err := mail.ParseDate(string(AppendDate(nil, at))); err != nil || !got.Equal(at) {
		t.Errorf("date read back as %v, %v", got, err)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("From: a\r\nTo: b\r\n c\r\n\r\nbody\r\n"))
	f.Add([]byte("Bcc \t: a\r\nbcc:b\r\nnot a field\r\nBcc: c\r\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		end := 0
		for field := range Fields(content) {
			if field.Start != end || field.NameEnd <= field.Start || field.End <= field.NameEnd {
				t.Fatalf("%+v after %d", field, end)
			}
			field.Value(content)
			end = field.End
		}
		if s := SummariseHeader(content); s.End != end || HeaderEnd(content) != end {
			t.Fatalf("end %d, %+v", end, s)
		}
		left := RemoveFields(content, "Bcc")
		if !bytes.HasSuffix(left, content[end:]) {
			t.Fatalf("the body changed: %q", left)
		}
	})
}

func FuzzReceived(f *testing.F) {
	f.Add("helo", "rdns", "ESMTP", "bob@a.test", "TLS1.3 X")
	f.Add("a\r\nb", "x)\n", "UTF8SMTP", "\xff<>\r\n", "a  b\r\n")
	f.Fuzz(func(t *testing.T, helo, reverse, with, to, tls string) {
		b := AppendReceived(nil, Received{HELO: helo, Client: netip.IPv6Loopback(), Reverse: reverse, By: "mx", With: with, ID: "1", For: to, TLS: tls, Time: time.Unix(0, 0)})
		b = append(b, "\r\n"...)
		msg, err := mail.ReadMessage(bytes.NewReader(b))
		if err != nil || len(msg.Header) != 1 || len(msg.Header["Received"]) != 1 || CheckLines(b, 0) != nil {
			t.Fatalf("%q: %v, %v", b, msg, err)
		}
	})
}

// typical is a message of 4 KiB with a header as mail has it.
var typical = []byte("Received: from a.test (a.test [192.0.2.1])\r\n\tby b.test with ESMTPS id 1\r\n\tfor <bob@example.net>;\r\n\tSat, 01 Mar 2025 09:30:00 +0000\r\n" +
	"Message-ID: <20250301093000.1@a.test>\r\nDate: Sat, 01 Mar 2025 09:30:00 +0000\r\nFrom: Shop <shop@a.test>\r\nTo: Bob <bob@example.net>\r\n" +
	"Subject: Your order\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	strings.Repeat("This line has sixty-four bytes, its end counted in, as it must.\r\n", 56))

func BenchmarkSummariseHeader(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		SummariseHeader(typical)
	}
}

func BenchmarkHas8Bit(b *testing.B) {
	b.SetBytes(int64(len(typical)))
	for b.Loop() {
		Has8Bit(typical)
	}
}

func BenchmarkAppendReceived(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 1024)
	r := Received{HELO: "client.test", Client: netip.MustParseAddr("192.0.2.1"), By: "mx.test", With: "ESMTPS", ID: "0abc", For: "bob@example.net",
		TLS: "TLS1.3 TLS_AES_128_GCM_SHA256", Time: time.Unix(1e9, 0)}
	for b.Loop() {
		buf = AppendReceived(buf[:0], r)
	}
}

// What makes a header huge must not make it slow: each of these takes seconds, not minutes, only if every step is linear, and
// a report about it stays within its bounds (CVE-2024-23184, CVE-2025-61725).
func TestHugeHeaders(t *testing.T) {
	for name, header := range map[string]string{
		"fields":       strings.Repeat("Bcc: a@a.test\r\n", 200_000),
		"addresses":    "Bcc: " + strings.Repeat("\"a\" <a@a.test>,\r\n ", 100_000) + "a@a.test\r\n",
		"one line":     "Subject: " + strings.Repeat("=?utf-8?q?a?= ", 100_000) + "\r\n",
		"folds":        "Message-ID:" + strings.Repeat("\r\n ", 300_000) + "<1@a.test>\r\n",
		"angle":        "Message-ID: " + strings.Repeat("<", 1_000_000) + "\r\n",
		"comments":     "From: " + strings.Repeat("(", 1_000_000) + "\r\n",
		"nested parts": "Content-Type: multipart/mixed; " + strings.Repeat("boundary=a; ", 100_000) + "\r\n",
	} {
		content := []byte(header + "\r\nbody\r\n")
		if s := SummariseHeader(content); s.End != len(header) || len(s.MessageID) > maxMessageID {
			t.Errorf("%s: ends at %d of %d, Message-ID of %d bytes", name, s.End, len(header), len(s.MessageID))
		}
		if left := RemoveFields(content, "Bcc", "Return-Path"); strings.HasPrefix(header, "Bcc") && string(left) != "\r\nbody\r\n" {
			t.Errorf("%s: %d bytes left", name, len(left))
		}
		story := reports["failure"]
		story.Content = content
		if report, _ := build(story); len(report) > 3*maxReturnedHeader+8<<10 {
			t.Errorf("%s: a report of %d bytes", name, len(report))
		}
	}
}
