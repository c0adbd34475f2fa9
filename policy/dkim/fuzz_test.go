package dkim

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/posthaste-mta/posthaste/message"

	"pgregory.net/rapid"
)

// FuzzSign: no header makes the signer panic, and what it signs of a legal message go-msgauth verifies.
func FuzzSign(f *testing.F) {
	for _, s := range []string{
		letter, "From: a\n\n", "From:a\nFrom:b\n\n", "From : a\n\tb\n \n\n \nx", "From: a\nDKIM-Signature: b=x; b = y\n\n",
		"x\n\n", ": x\n\n", "From: a\n\n\n\n.\n \t\n", "From: \xff\x00\v\nTo: a\nTO: b\n\n\x00 \x00",
	} {
		f.Add(string(crlf(s)))
	}
	ed, three := key(f, "example.com", "ed", "ed25519.pkcs8.pem"), key(f, "example.com", "three", "three.pkcs8.pem")
	s := signer(f, Options{AlsoSign: []string{"X-Job", "Comments"}}, "", ed, three)
	dns := publish(ed, three)
	f.Fuzz(func(t *testing.T, text string) {
		mail := []byte(text)
		before := bytes.Clone(mail)
		out, err := s.Sign(mail, "example.com", now)
		if !bytes.Equal(mail, before) {
			t.Fatal("the signer changed the message")
		}
		if err != nil {
			return
		}
		if again := bytes.Count(out.Fields, []byte("DKIM-Signature: v=1; ")); again != 2 || message.HeaderEnd(out.Fields) != len(out.Fields) {
			t.Fatalf("%q", out.Fields)
		}
		// go-msgauth takes a bare CR or LF as a line end, which a message may not have; it skips blanks
		// at the end of the header, and wants a blank line there.
		if message.CheckLines(mail, 0) != nil || !legalForReference(mail) {
			return
		}
		for i, said := range verify(t, dns, append(out.Fields, mail...))[:2] {
			if said != "example.com ok" {
				t.Errorf("signature %d of %q: %s", i, text, said)
			}
		}
	})
}

// legalForReference tells whether go-msgauth splits the header into fields as we do: it has no line
// of blanks only, which it would read as the end, and ends with a blank line.
func legalForReference(mail []byte) bool {
	head, _, ok := bytes.Cut(mail, []byte("\r\n\r\n"))
	if !ok {
		return false
	}
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			return false
		}
	}
	return true
}

// TestBodyHash compares the body hash, which takes shortcuts, with one that follows RFC 6376 3.4.4
// word by word.
func TestBodyHash(t *testing.T) {
	word := rapid.SampledFrom([]string{"a", ".", " ", "  ", "\t", "\r\n", "\r\n\r\n", " \r\n", "word", "\xff"})
	rapid.Check(t, func(t *rapid.T) {
		body := strings.Join(rapid.SliceOfN(word, 0, 30).Draw(t, "body"), "")
		if got, want := bodyHash([]byte(body)), sha256.Sum256([]byte(slowRelaxed(body))); got != want {
			t.Fatalf("hash of %q is not that of %q", body, slowRelaxed(body))
		}
	})
}

func slowRelaxed(body string) string {
	body = strings.ReplaceAll(body, "\t", " ")
	for strings.Contains(body, "  ") {
		body = strings.ReplaceAll(body, "  ", " ")
	}
	body = strings.TrimSuffix(strings.ReplaceAll(body+"\r\n", " \r\n", "\r\n"), "\r\n")
	for strings.HasSuffix(body, "\r\n") {
		body = strings.TrimSuffix(body, "\r\n")
	}
	if body == "" {
		return ""
	}
	return body + "\r\n"
}
