//go:build interop

package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Mail into a real Postfix, Exim and OpenSMTPD, and from each of them through the relay.
func TestInteropMailServers(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T, int, *relayServer) *foreignServer{
		"postfix": startPostfix, "exim": startExim, "opensmtpd": startOpenSMTPD,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := freePort(t)
			away := startReceiver(t, false)
			r := startRelay(t, quickRetry+fmt.Sprintf("smart_host = %q\nroutes.\"home.test\" = \"127.0.0.1:%d\"\n", away.address(), port))
			s := start(t, port, r)
			t.Run("in", func(t *testing.T) { mailIntoServer(t, r, s, away) })
			t.Run("out", func(t *testing.T) { mailFromServer(t, r, s, away) })
		})
	}
}

// contents are messages that are hard to carry without a change.
func contents() map[string]string {
	random := rand.New(rand.NewPCG(1, 2))
	text := func(n, width int) string {
		var b strings.Builder
		for b.Len() < n {
			for range width {
				b.WriteByte(byte(33 + random.IntN(94)))
			}
			b.WriteString("\r\n")
		}
		return b.String()
	}
	const header = "From: Ann <ann@sender.test>\r\nDate: Fri, 2 Jan 2026 03:04:05 +0000\r\nMessage-ID: <letter@sender.test>\r\n"
	return map[string]string{
		"dots":  awkward,
		"8bit":  header + "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nna\xefve \xff\x80\x01\x7f\r\n",
		"long":  header + "\r\n" + text(5000, 998) + "." + text(100, 997),
		"big":   header + "\r\n" + text(10_000_000, 76),
		"empty": header + "\r\n",
		"lines": header + "\r\n" + strings.Repeat("\r\n", 100) + ".\r\n",
	}
}

// mailIntoServer sends mail to the people of a server.
func mailIntoServer(t *testing.T, r *relayServer, s *foreignServer, away *receiver) {
	source := program(t, "smtp-source")
	for name, text := range contents() {
		marked := mark("in-"+name, text)
		post(t, r.mx, "eve@sender.test", "", marked, "ann@home.test")
		checkContent(t, s.messageWith(t, "\r\nX-Mark: in-"+name+"\r\n"), marked, s.adds...)
	}
	// Somebody refused, somebody not: each hears what became of it.
	post(t, r.mx, "eve@sender.test", "", "Subject: half\r\n\r\nhalf\r\n", "bob@home.test", "nobody@home.test")
	if e := r.await(t, "bounced", "nobody@home.test"); e.String() != "bounced nobody@home.test: "+s.refusal+" (to RCPT TO)" {
		t.Errorf("got  %s\nwant %s", e, s.refusal)
	}
	// A server that fails at TLS gets its mail in the clear, at the first attempt.
	if e := r.await(t, "delivered", "bob@home.test"); e.Attempts != 1 || !s.badTLS && (e.Delivery != "ESMTPS" || e.TLSVersion != "TLS 1.3") {
		t.Errorf("delivered by %s, %s", e.Delivery, e.TLSVersion)
	}
	report := string(away.mailTo(t, "eve@sender.test").Content)
	if !strings.Contains(report, "\r\nFinal-Recipient: rfc822; nobody@home.test\r\nAction: failed\r\n") {
		t.Errorf("report:\n%s", report)
	}
	// Many at once, over connections that are used again.
	s.messageWith(t, "\r\nhalf\r\n")
	before := len(s.messages(t))
	mustExecute(t, "", source, "-s", "10", "-m", "100", "-d", "-l", "3000", "-f", "crowd@sender.test", "-t", "bob@home.test", r.mx)
	await(t, "a crowd of messages", func() (bool, string) {
		n := len(s.messages(t)) - before
		return n == 100, fmt.Sprint(n)
	})
	// The mailbox shows the message before the relay has recorded the reply.
	await(t, "the events of the crowd", func() (bool, string) {
		n := r.count(t, "delivered", "bob@home.test")
		return n == 101, fmt.Sprint(n)
	})
	// An address that only SMTPUTF8 can carry.
	const utf8 = "From: ève@sender.test\r\nDate: Fri, 2 Jan 2026 03:04:05 +0000\r\nMessage-ID: <utf8@sender.test>\r\nSubject: grüße\r\n\r\nin-utf8 ü\r\n"
	post(t, r.mx, "ève@sender.test", "SMTPUTF8 BODY=8BITMIME", utf8, "jürgen@home.test")
	if s.noUTF8 {
		if e := r.await(t, "bounced", "jürgen@home.test"); e.Response.EnhancedCode.Class != 5 || e.Response.EnhancedCode.Subject != 6 || e.Response.EnhancedCode.Detail != 7 {
			t.Errorf("without SMTPUTF8: %s", e)
		}
		return
	}
	checkContent(t, s.messageWith(t, "in-utf8"), utf8, s.adds...)
}

// mailFromServer sends mail to others through the server, whose relay we are.
func mailFromServer(t *testing.T, r *relayServer, s *foreignServer, away *receiver) {
	for name, text := range contents() {
		rcpt := name + "@away.test"
		marked := mark("out-"+name, text)
		post(t, s.address, "eve@home.test", "", marked, rcpt)
		got := string(away.mailTo(t, rcpt).Content)
		checkContent(t, got, marked)
		if received := headerField(got, "Received"); len(received) < 2 || !strings.HasPrefix(received[0], "from "+s.announce+" ") || !strings.Contains(received[0], " with ESMTPS id ") {
			t.Errorf("%s: Received: %s", name, strings.Join(received, "\n"))
		}
	}
	// The wish for a report comes to us, who have to write it for a next hop that cannot.
	post(t, s.address, "ann@home.test", "RET=HDRS ENVID=out-dsn", "Subject: tell me\r\n\r\nhello\r\n", "told@away.test NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Told@away.test")
	report := s.messageWith(t, "\r\nOriginal-Envelope-Id: out-dsn\r\n")
	if !strings.Contains(report, "\r\nOriginal-Recipient: rfc822; Told@away.test\r\nFinal-Recipient: rfc822; told@away.test\r\nAction: relayed\r\n") {
		t.Errorf("report:\n%s", report)
	}
	// Refused and put off recipients.
	post(t, s.address, "bob@home.test", "", "Subject: mixed\r\n\r\nhello\r\n", "fine@away.test", "unknown@away.test", "busy@away.test")
	report = s.messageWith(t, "\r\nFinal-Recipient: rfc822; unknown@away.test\r\n")
	if !strings.Contains(report, "\r\nAction: failed\r\nStatus: 5.1.1\r\n") {
		t.Errorf("report:\n%s", report)
	}
	for _, rcpt := range []string{"fine@away.test", "busy@away.test"} {
		if got := away.mailTo(t, rcpt); slices.Contains(got.Recipients, "unknown@away.test") {
			t.Errorf("recipients %v", got.Recipients)
		}
	}
	if s.noUTF8 {
		return
	}
	post(t, s.address, "ann@home.test", "SMTPUTF8 BODY=8BITMIME", "Subject: grüße\r\n\r\nü\r\n", "jürgen@müller.test")
	if got := away.mailTo(t, "jürgen@müller.test"); !got.SMTPUTF8 {
		t.Errorf("SMTPUTF8 was lost: %v", got.Options)
	}
}

// mark puts a field in front of a message by which it can be told from others.
func mark(name, text string) string { return "X-Mark: " + name + "\r\n" + text }
