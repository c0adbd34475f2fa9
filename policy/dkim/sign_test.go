package dkim

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const letter = `Received: from a by b
From: Shop <shop@example.com>
To: you@example.net
Subject: Offers
  of the   week
Date: Sat, 1 Aug 2026 12:00:00 +0000
Message-ID: <1@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit
List-Unsubscribe: <https://example.com/u/1>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
Feedback-ID: 1:2:3:shop

Gr` + "\u00fc\u00df" + `e
.
..dots  and	tabs` + " \t" + `


`

// TestVerifies: whatever the message looks like and whatever signs, another program accepts it.
func TestVerifies(t *testing.T) {
	keys := []*Key{
		key(t, "example.com", "two", "two.pkcs1.pem"),
		key(t, "example.com", "ed", "ed25519.pkcs8.pem"),
		key(t, "provider.example", "three", "three.pkcs1.pem"),
		key(t, "provider.example", "ed", "rfc8463.ed25519.seed"),
	}
	want := []string{"example.com ok", "example.com ok", "provider.example ok", "provider.example ok"}
	s := signer(t, Options{Expiry: 100 * 365 * 24 * time.Hour}, "provider.example", keys...)
	long := strings.Repeat("x", 990)
	for name, mail := range map[string]string{
		"a letter":                     letter,
		"no body":                      "From: a@example.com\n\n",
		"not even a blank line":        "From: a@example.com\n",
		"empty lines":                  "From: a@example.com\n\n\n\n\n",
		"lines of blanks":              "From: a@example.com\n\n \n\t\n  \t \n",
		"body of one blank":            "From: a@example.com\n\n ",
		"no line end at the end":       "From: a@example.com\n\nHello",
		"blank at the end, no CRLF":    "From: a@example.com\n\nHello \n \n ",
		"leading blanks":               "From: a@example.com\n\n  Hello\n\tyou\n",
		"dots":                         "From: a@example.com\n\n.\n..\n.x\n",
		"folded, odd case":             "fROM:\n a@example.com\nSUBJECT: a\n\t b\n  \n c\n\nx\n",
		"blank before the colon":       "From : a@example.com\nSubject \t: x\n\nx\n",
		"empty fields":                 "From: a@example.com\nSubject:\nTo: \n\nx\n",
		"8-bit header":                 "From: \u00fc@example.com\nSubject: \xff\u00a0\u2003x\n\n\xff\xfe\n",
		"NUL and controls":             "From: a@example.com\nSubject: \x00\x01\v\f\n\n\x00\v \f\n",
		"fields many times over":       "From: a@example.com\nTo: a\nTo: b\nCc: c\nTo: d\nReceived: x\nResent-From: x\nResent-From: y\n\nx\n",
		"long lines":                   "From: a@example.com\nSubject: " + long + "\n\n" + long + "\n",
		"signed before":                "DKIM-Signature: v=1; a=rsa-sha256; d=other.example; s=x;\n h=from; bh=x; b=x\nFrom: a@example.com\n\nx\n",
		"many fields":                  "From: a@example.com\n" + strings.Repeat("X-Long: x\nKeywords: y\nReferences: <z>\n", 200) + "\nx\n",
		"a field that looks like tags": "From: a@example.com\nSubject: b=1; bh=2; b = 3\n\nb=4;\n",
	} {
		sent := signed(t, s, "example.com", crlf(mail))
		if name == "not even a blank line" { // go-msgauth wants one
			sent = append(sent, "\r\n"...)
		}
		got := verify(t, publish(keys...), sent)
		if name == "signed before" {
			got = got[:len(got)-1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestTamper: what breaks the signature, and what does not.
func TestTamper(t *testing.T) {
	k := key(t, "example.com", "ed", "ed25519.pkcs8.pem")
	s := signer(t, Options{AlsoSign: []string{"X-Job"}}, "", k)
	mail := signed(t, s, "example.com", crlf(strings.Replace(letter, "Feedback-ID", "X-Job: 7\nFeedback-ID", 1)))
	add := func(field string) []byte { return append([]byte(field+"\r\n"), mail...) }
	swap := func(from, to string) []byte {
		out := bytes.Replace(mail, crlf(from), crlf(to), 1)
		if bytes.Equal(out, mail) {
			t.Fatalf("%q is not in the message", from)
		}
		return out
	}
	for _, c := range []struct {
		name  string
		mail  []byte
		holds bool
	}{
		{"as it was", mail, true},
		{"another From", add("From: ceo@example.com"), false},
		{"another Subject", add("Subject: x"), false},
		{"another To", add("To: x@example.net"), false},
		{"a Cc where none was", add("Cc: x@example.net"), false},
		{"a Reply-To where none was", add("Reply-To: x@example.net"), false},
		{"another Content-Type", add("Content-Type: text/html"), false},
		{"another Date", add("Date: Sun, 2 Aug 2026 12:00:00 +0000"), false},
		{"another List-Unsubscribe", add("List-Unsubscribe: <https://evil.example/>"), false},
		{"another Feedback-ID", add("Feedback-ID: x"), false},
		{"another X-Job", add("X-Job: x"), false},
		{"X-Job changed", swap("X-Job: 7", "X-Job: 8"), false},
		{"List-Unsubscribe-Post gone", swap("List-Unsubscribe-Post: List-Unsubscribe=One-Click\n", ""), false},
		{"body changed", swap("dots", "Dots"), false},
		{"text behind the end", append(bytes.Clone(mail), "more\r\n"...), false},
		{"another Received", add("Received: from c by d"), true},
		{"a List-Id where none was", add("List-Id: <x.example>"), true},
		{"an X- field", add("X-Spam: no"), true},
		{"refolded", swap("Subject: Offers\n  of the   week", "SUBJECT:  Offers of\n\tthe week"), true},
		{"blanks at line ends", swap("..dots  and\ttabs \t\n", "..dots and \t tabs\n"), true},
		{"empty lines behind the end", append(bytes.Clone(mail), "\r\n\r\n"...), true},
	} {
		got := verify(t, publish(k), c.mail)
		if holds := got[0] == "example.com ok"; holds != c.holds {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

// TestField is how a signature looks.
func TestField(t *testing.T) {
	k := key(t, "example.com", "ed", "rfc8463.ed25519.seed")
	k.Identity = "shop@news.example.com"
	s := signer(t, Options{Expiry: 24 * time.Hour}, "", k)
	out, err := s.Sign(crlf(letter), "example.com", now)
	if err != nil {
		t.Fatal(err)
	}
	want := crlf(`DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=ed;
 i=shop@news.example.com; t=1785585600; x=1785672000;
 h=from:from:reply-to:to:to:cc:subject:subject:mime-version:mime-version:
 content-type:content-type:content-transfer-encoding:
 content-transfer-encoding:date:date:message-id:message-id:list-unsubscribe:
 list-unsubscribe:list-unsubscribe-post:list-unsubscribe-post:feedback-id:
 feedback-id;
 bh=`)
	if !bytes.HasPrefix(out.Fields, want) {
		t.Errorf("got\n%s\nwant\n%s", out.Fields, want)
	}
	if len(out.Keys) != 1 || out.Keys[0].String() != "ed._domainkey.example.com" {
		t.Errorf("signed with %v", out.Keys)
	}
	for _, k := range []*Key{key(t, "example.com", "s", "two.pkcs8.pem"), key(t, strings.Repeat("long-label.", 20)+"example", "selector", "two.pkcs8.pem")} {
		mail := signed(t, signer(t, Options{}, "", k), k.Domain, crlf(letter))
		if bytes.Contains(mail, []byte("; x=")) || bytes.Contains(mail, []byte(" l=")) {
			t.Error("a tag that nobody asked for")
		}
		for i, line := range bytes.Split(mail, []byte("\r\n")) {
			if len(line) > foldAt && !bytes.HasPrefix(line, []byte(" d=long-label.")) {
				t.Errorf("line %d has %d bytes: %s", i, len(line), line)
			}
		}
	}
}

func TestNotSigned(t *testing.T) {
	s := signer(t, Options{}, "", key(t, "example.com", "ed", "ed25519.pkcs8.pem"))
	for mail, want := range map[string]error{
		"":                                      ErrBadHeader,
		"\n":                                    ErrBadHeader,
		"Hello\n":                               ErrBadHeader,
		"From: a@example.com\nHello\n\nx\n":     ErrBadHeader,
		"From: a@example.com\n\rx":              ErrBadHeader,
		"Subject: x\n\nx\n":                     ErrFrom,
		"From: a@b\nFrom: c@d\n\nx\n":           ErrFrom,
		"From: a@b\nSubject: x\nFrom: c@d\n\nx": ErrFrom,
	} {
		if out, err := s.Sign(crlf(mail), "example.com", now); !errors.Is(err, want) || out.Fields != nil {
			t.Errorf("%q: %v, %q", mail, err, out.Fields)
		}
		if out, err := s.Sign(crlf(mail), "example.org", now); err != nil || out.Fields != nil {
			t.Errorf("%q without a key: %v, %q", mail, err, out.Fields)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, opts := range []Options{
		{Expiry: -1},
		{AlsoSign: []string{"X Job"}},
		{AlsoSign: []string{""}},
		{AlsoSign: []string{"X-Job:"}},
		{AlsoSign: []string{"a;b"}},
		{AlsoSign: []string{"Received"}},
		{AlsoSign: []string{strings.Repeat("x", 41)}},
	} {
		if _, err := NewSigner(nil, opts); err == nil {
			t.Errorf("%+v is taken", opts)
		}
	}
}

// TestReplace: keys are exchanged between one message and the next.
func TestReplace(t *testing.T) {
	first, second := key(t, "example.com", "one", "ed25519.pkcs8.pem"), key(t, "example.com", "two", "rfc8463.ed25519.seed")
	s := signer(t, Options{}, "", first)
	before := signed(t, s, "example.com", crlf(letter))
	s.Replace(keyring(t, "", second))
	after := signed(t, s, "example.com", crlf(letter))
	if !bytes.Contains(before, []byte(" s=one;")) || !bytes.Contains(after, []byte(" s=two;")) {
		t.Errorf("%s\n%s", before, after)
	}
	s.Replace(nil)
	if out, err := s.Sign(crlf(letter), "example.com", now); err != nil || len(out.Fields) != 0 {
		t.Errorf("signed without a keyring: %q, %v", out.Fields, err)
	}
}

// TestParallel: one signer and its keys serve many goroutines while the keyring is replaced.
func TestParallel(t *testing.T) {
	keys := []*Key{key(t, "example.com", "two", "two.pkcs8.pem"), key(t, "example.com", "ed", "ed25519.pkcs8.pem")}
	other := []*Key{key(t, "example.com", "three", "three.pkcs8.pem")}
	dns := publish(append(other, keys...)...)
	s := signer(t, Options{}, "", keys...)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 5 {
				mail := append(crlf(letter), byte('0'+i), '\r', '\n')
				out, err := s.Sign(mail, "example.com", now)
				if err != nil {
					t.Error(err)
					return
				}
				for _, said := range verify(t, dns, append(out.Fields, mail...)) {
					if said != "example.com ok" {
						t.Error(said)
					}
				}
				s.Replace(keyring(t, "", other...))
			}
		})
	}
	wg.Wait()
}
