//go:build interop

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-mta/posthaste/message"
)

// eightBitMessages have 8-bit characters in all places that can be converted.
func eightBitMessages() map[string]string {
	const from = "From: Ann <ann@sender.test>\r\nTo: Bob <bob@away.test>\r\nSubject: 8 bit\r\n"
	binary := make([]byte, 0, 512)
	for i := range 512 {
		if c := byte(i * 7); c != 0 && c != '\r' && c != '\n' {
			binary = append(binary, c)
		}
	}
	inner := "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"=_in\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
		"for the old: é\r\n--=_in\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
		"Stra\xdfe = road \r\n\r\n-- \r\nAnn\r\n.\r\n\r\n--=_in\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>" +
		strings.Repeat("Straße, ", 100) + "</p>\r\n--=_in--\r\nthat was all, à bientôt\r\n"
	return map[string]string{
		"bare":    from + "\r\nStraße\r\n.\r\n\r\nno more\r\n",
		"unknown": from + "\r\nStra\xdfe\r\n",
		"russian": from + "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
			strings.Repeat("Съешь же ещё этих мягких французских булок\r\n", 50),
		"nested": from + inner,
		"mixed": from + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"=_out\"\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
			"--=_out\r\n" + strings.TrimPrefix(inner, "MIME-Version: 1.0\r\n") +
			"\r\n--=_out\r\nContent-Type: application/x-any; name=a\r\nContent-Disposition: attachment; filename=\"a.bin\"\r\n" +
			"Content-Transfer-Encoding: binary\r\n\r\n" + string(binary) +
			"\r\n--=_out\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + from + inner +
			"\r\n--=_out\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=C3=A9=20\r\n" +
			"--=_out\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--=_out--\r\n",
		"digest": from + "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\n" + from + "\r\nÉté\r\n--d\r\n\r\n" + from + inner + "\r\n--d--\r\n",
	}
}

// What comes to a host without 8BITMIME is 7-bit, and to Python's email package the same as what was sent.
func TestInteropSevenBit(t *testing.T) {
	t.Parallel()
	interpreter := program(t, "python3")
	to := startSink(t, "-8")
	plain := startSink(t)
	r := startRelay(t, fmt.Sprintf("smart_host = %q\nroutes.\"eight.test\" = %q\n", to.address(), plain.address()))
	read := func(content string) (parts [][]any) {
		t.Helper()
		out := mustExecute(t, content, interpreter, "-B", "testdata/interop/leaves.py")
		if err := json.Unmarshal([]byte(out), &parts); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return parts
	}
	messages := eightBitMessages()
	for name, text := range messages {
		post(t, r.mx, name+"@sender.test", "BODY=8BITMIME", text, "bob@away.test")
		post(t, r.mx, name+"@sender.test", "BODY=8BITMIME", text, "bob@eight.test")
	}
	r.awaitCount(t, "delivered", 2*len(messages))
	got := map[string]string{}
	for _, m := range to.mails(t) {
		name, _, _ := strings.Cut(headerField(m, "X-Mail-Args")[0], "@")
		got[strings.TrimPrefix(name, "<")] = m
	}
	for name, text := range messages {
		m, ok := got[name]
		if !ok {
			t.Errorf("%s is not among %q", name, slices.Collect(maps.Keys(got)))
			continue
		}
		if message.Has8Bit([]byte(m)) {
			t.Errorf("%s came with 8-bit characters:\n%s", name, m)
		}
		if diff := cmp.Diff(read(text), read(strings.TrimSuffix(m, "\n"))); diff != "" {
			t.Errorf("%s (- sent, + came):\n%s\n%s", name, diff, m)
		}
	}
	for _, m := range plain.mails(t) {
		if !message.Has8Bit([]byte(m)) || !strings.Contains(headerField(m, "X-Mail-Args")[0], "BODY=8BITMIME") {
			t.Errorf("a host with 8BITMIME was given:\n%s", m)
		}
	}
	// What is signed comes back, and says why.
	signed := strings.Replace(messages["nested"], "multipart/alternative", "multipart/signed", 1)
	post(t, r.mx, "signed@sender.test", "BODY=8BITMIME", signed, "bob@away.test")
	if e := r.await(t, "bounced", "bob@away.test"); !strings.Contains(e.String(), "554 5.6.3 ") || !strings.Contains(e.String(), "signature") {
		t.Error(e)
	}
	r.await(t, "delivered", "signed@sender.test") // the report, with what was signed in it
}
