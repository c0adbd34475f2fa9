//go:build interop

package main

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// mailboxSecret is the password of all who have a mailbox.
const mailboxSecret = "correct horse+battery/staple"

// startMailboxes starts a relay where these users of home.test have mailboxes; all@home.test is all of them. Its listeners
// "pop3" and "imap" speak STLS and STARTTLS, "pop3s" and "imaps" implicit TLS.
func startMailboxes(t *testing.T, settings string, users ...string) *relayServer {
	t.Helper()
	settings = fmt.Sprintf("mailbox.domains = [\"home.test\"]\n%s[[alias]]\naddress = \"all@home.test\"\nto = [\"%s\"]\n",
		settings, strings.Join(users, `", "`))
	for _, l := range [][2]string{{"pop3", "starttls"}, {"pop3s", "implicit"}, {"imap", "starttls"}, {"imaps", "implicit"}} {
		settings += fmt.Sprintf("[[listener]]\nname = %q\nkind = %q\naddress = \"127.0.0.1:0\"\ntls = %q\ncert = \"$DIR/cert.pem\"\nkey = \"$DIR/key.pem\"\n",
			l[0], strings.TrimSuffix(l[0], "s"), l[1])
	}
	r := startRelay(t, settings)
	for _, user := range users {
		mustExecute(t, mailboxSecret+"\n", r.binary, "user", "add", user, "--password-stdin", "--config", r.config)
	}
	return r
}

// port returns the port of a listener.
func (r *relayServer) port(t *testing.T, listener string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(r.where[listener])
	if err != nil {
		t.Fatalf("listener %s: %v", listener, err)
	}
	return port
}

// awaitMessages waits until a user has so many messages.
func (r *relayServer) awaitMessages(t *testing.T, user string, n int) {
	t.Helper()
	await(t, fmt.Sprintf("%d messages of %s", n, user), func() (bool, string) {
		out, _ := r.command(t, "user", "list", "--json")
		return strings.Contains(out, fmt.Sprintf(`"name":%q,"messages":%d,`, user, n)), out
	})
}

// homeLetters are messages that tempt whatever they pass.
func homeLetters() []string {
	const header = "From: bob@away.test\r\nTo: all@home.test\r\nDate: Fri, 2 Jan 2026 03:04:05 +0000\r\nMessage-ID: <%d@away.test>\r\nSubject: %s\r\n\r\n"
	var all []string
	for i, m := range [][2]string{
		{"dots", ".\r\n..\r\n...\r\n.first\r\n \r\n\r\n.\r\nthe end.\r\n"},
		{"8-bit", "J\xc3\xb6rg and latin \xe4\xf6\xfc \xff\x80\r\n"},
		{"a long line", strings.Repeat("0123456789", 700) + "\r\n.\r\n"},
		{"a from line", "From the start\r\n>From quoted\r\n"},
		{"empty lines", "\r\n\r\n\r\n"},
		{"many lines", strings.Repeat("..all the same\r\n", 20_000)},
		{"nothing", ""},
		{"no line end", "the end"},
	} {
		all = append(all, fmt.Sprintf(header, i, m[0])+m[1])
	}
	return all
}

// Two IMAP sessions, POP3 sessions and deliveries on one mailbox at once.
func TestInteropMailboxAtOnce(t *testing.T) {
	t.Parallel()
	r := startMailboxes(t, "", "ann@home.test")
	out := mustExecute(t, "", program(t, "python3"), "-B", "testdata/interop/at_once.py", portOf(t, r.mx), r.port(t, "pop3s"), r.port(t, "imaps"),
		"ann@home.test", mailboxSecret)
	if out != "" {
		t.Error(tail(out))
	}
}
