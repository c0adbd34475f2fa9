//go:build interop

package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// awkward is a message that tempts every program on its way: dots at the start of lines, an empty last paragraph,
// spaces at the end of a line, folded and empty header fields.
const awkward = "From: Ann <ann@sender.test>\r\n" +
	"To: Bob <bob@away.test>\r\n" +
	"Date: Fri, 2 Jan 2026 03:04:05 +0000\r\n" +
	"Message-ID: <letter@sender.test>\r\n" +
	"Subject: dots\r\n" +
	"\tand folds\r\n" +
	"X-Empty:\r\n" +
	"\r\n" +
	".\r\n" +
	"..\r\n" +
	".first\r\n" +
	"a space at the end \r\n" +
	"\ta tab before\r\n" +
	"\r\n" +
	"the end\r\n" +
	"\r\n"

// smtp-source sends many messages in many ways; smtp-sink gets each of them once.
func TestInteropSmtpSource(t *testing.T) {
	t.Parallel()
	source := program(t, "smtp-source")
	to := startSink(t)
	r := startRelay(t, quickRetry+fmt.Sprintf("smart_host = %q\n", to.address()))
	messages, recipients := 0, 0
	for _, flags := range []string{
		"-s 1 -m 20",
		"-s 20 -m 300 -d",
		"-s 20 -m 100",       // a connection for each
		"-s 5 -m 20 -d -r 7", // several recipients
		"-s 2 -m 6 -d -l 1000000",
		"-s 1 -m 5 -N -d",
	} {
		args := strings.Fields(flags)
		mustExecute(t, "", source, append(args, "-f", "ann@sender.test", "-t", "bob@away.test", r.mx)...)
		n, each := 0, 1
		fmt.Sscan(args[slices.Index(args, "-m")+1], &n)
		if i := slices.Index(args, "-r"); i >= 0 {
			fmt.Sscan(args[i+1], &each)
		}
		messages, recipients = messages+n, recipients+n*each
	}
	r.awaitCount(t, "delivered", recipients)
	if got := len(to.mails(t)); got != messages {
		t.Errorf("smtp-sink has %d messages, want %d", got, messages)
	}
}

// swaks speaks plain and pipelined SMTP, STARTTLS, implicit TLS and the PROXY protocol.
func TestInteropSwaks(t *testing.T) {
	t.Parallel()
	swaks := program(t, "swaks")
	to := startReceiver(t, false)
	r := startRelay(t, fmt.Sprintf("smart_host = %q\n", to.address()))
	// swaks ends the last line itself.
	data := putFile(t, filepath.Join(r.dir, "letter"), strings.ReplaceAll(strings.TrimSuffix(awkward, "\r\n"), "\r\n", "\n"))
	for name, c := range map[string]struct{ flags, keyword string }{
		"plain":     {"--server " + r.mx, "ESMTP"},
		"helo":      {"--protocol SMTP --server " + r.mx, "SMTP"},
		"pipeline":  {"--pipeline --server " + r.mx, "ESMTP"},
		"starttls":  {"--tls --server " + r.mx, "ESMTPS"},
		"verified":  {"--tls --tls-verify --tls-ca-path " + r.certificate + " --server localhost:" + portOf(t, r.mx), "ESMTPS"},
		"implicit":  {"--tls-on-connect --server " + r.submissions, "ESMTPS"},
		"proxy":     {"--proxy-version 1 --proxy-family TCP4 --proxy-source 127.0.0.9 --proxy-source-port 999 --proxy-dest 127.0.0.1 --proxy-dest-port 25 --server " + r.proxied, "ESMTP"},
		"proxy v2":  {"--proxy-version 2 --proxy-family AF_INET --proxy-protocol STREAM --proxy-command PROXY --proxy-source 127.0.0.9 --proxy-source-port 999 --proxy-dest 127.0.0.1 --proxy-dest-port 25 --server " + r.proxied, "ESMTP"},
		"null":      {"--from <> --server " + r.mx, "ESMTP"},
		"some fail": {"--to nobody@-.test,some.fail@away.test --server " + r.mx, "ESMTP"},
	} {
		rcpt := strings.ReplaceAll(name, " ", ".") + "@away.test"
		args := []string{"--ehlo", "client.test", "--from", "ann@sender.test", "--to", rcpt, "--data", "@" + data}
		out := mustExecute(t, "", swaks, append(args, strings.Fields(c.flags)...)...)
		if !strings.Contains(out, " 250 2.0.0 Ok: queued as ") {
			t.Errorf("%s: %s", name, out)
		}
		got := to.mailTo(t, rcpt)
		checkContent(t, string(got.Content), awkward)
		received := headerField(string(got.Content), "Received")[0]
		client := "127.0.0.1"
		if strings.HasPrefix(name, "proxy") {
			client = "127.0.0.9"
		}
		if !strings.HasPrefix(received, "from client.test (["+client+"]) by relay.posthaste.test with "+c.keyword+" id ") {
			t.Errorf("%s: Received: %s", name, received)
		}
	}
	// A client that the balancer tells of is judged by its own address.
	out, code := execute(t, "", swaks, strings.Fields("--proxy-version 1 --proxy-family TCP4 --proxy-source 192.0.2.9 --proxy-source-port 999 --proxy-dest 192.0.2.1 --proxy-dest-port 25 --from ann@sender.test --to bob@away.test --server "+r.proxied)...)
	if code != 24 || !strings.Contains(out, " 550 5.7.1 ") {
		t.Errorf("a stranger relays: exit code %d\n%s", code, out)
	}
}

// Python's smtplib: SMTPUTF8, 8BITMIME, DSN, refused recipients, TLS.
func TestInteropSmtplib(t *testing.T) {
	t.Parallel()
	to := startReceiver(t, true)
	r := startRelay(t, fmt.Sprintf("smart_host = %q\n", to.address()))
	out := mustExecute(t, "", program(t, "python3"), "-B", "testdata/interop/smtplib_client.py",
		portOf(t, r.submission), portOf(t, r.submissions), r.certificate)
	var said map[string]any
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	extensions := []any{"8bitmime", "chunking", "dsn", "enhancedstatuscodes", "help", "limits", "pipelining", "size", "smtputf8", "starttls"}
	if got := said["extensions"].([]any); !slices.Equal(got, extensions) {
		t.Errorf("extensions %v, want %v", got, extensions)
	}
	if got := fmt.Sprint(said["refused"]); !strings.HasPrefix(got, "map[nobody@-.test:[501 ") && !strings.HasPrefix(got, "map[nobody@-.test:[553 ") {
		t.Errorf("refused: %s", got)
	}
	if got := fmt.Sprint(said["bare"]); !strings.HasPrefix(got, "[550 5.6.0 ") {
		t.Errorf("bare line feed: %s", got)
	}
	if got := fmt.Sprint(said["size"]); !strings.HasPrefix(got, "[552 5.3.4 ") {
		t.Errorf("too large: %s", got)
	}
	got := to.mailTo(t, "jürgen@müller.test")
	if !got.SMTPUTF8 || !got.TLS || got.Sender != "änn@sender.test" || !strings.Contains(string(got.Content), "\r\nSubject: grüße\r\n") ||
		!strings.Contains(headerField(string(got.Content), "Received")[0], " with UTF8SMTPS id ") {
		t.Errorf("SMTPUTF8: %+v\n%s", got, got.Content)
	}
	got = to.mailTo(t, "eight@away.test")
	if got.SMTPUTF8 || !slices.Contains(got.Options, "BODY=8BITMIME") || !strings.HasSuffix(string(got.Content), "\r\n\r\nna\xefve \xff\x80\r\n") {
		t.Errorf("8BITMIME: %+v\n%q", got, got.Content)
	}
	got = to.mailTo(t, "one@away.test")
	if !slices.Equal(got.Recipients, []string{"one@away.test", "two@away.test"}) {
		t.Errorf("recipients %v", got.Recipients)
	}
	// aiosmtpd does not speak DSN: the confirmation of having relayed is ours.
	got = to.mailTo(t, "dsn@sender.test")
	if got.Sender != "" && got.Sender != "<>" || !strings.Contains(string(got.Content), "\r\nOriginal-Envelope-Id: QQ+1=2\r\n") ||
		!strings.Contains(string(got.Content), "\r\nOriginal-Recipient: rfc822; Bob+x@away.test\r\n") ||
		!strings.Contains(string(got.Content), "\r\nAction: relayed\r\n") {
		t.Errorf("confirmation from %q:\n%s", got.Sender, got.Content)
	}
	if n := float64(len(to.mails(t))); n != said["sent"].(float64)+1 {
		t.Errorf("%v messages arrived", n)
	}
}

// curl sends by SMTP, with STARTTLS and with implicit TLS.
func TestInteropCurl(t *testing.T) {
	t.Parallel()
	curl := program(t, "curl")
	to := startReceiver(t, false)
	r := startRelay(t, fmt.Sprintf("smart_host = %q\n", to.address()))
	data := putFile(t, filepath.Join(r.dir, "letter"), awkward)
	lines := putFile(t, filepath.Join(r.dir, "lines"), strings.ReplaceAll(awkward, "\r\n", "\n"))
	send := func(rcpt, file string, flags ...string) (string, int) {
		args := []string{"-sS", "--mail-from", "ann@sender.test", "--mail-rcpt", rcpt, "-T", file}
		return execute(t, "", curl, append(args, flags...)...)
	}
	for rcpt, flags := range map[string][]string{
		"plain@away.test":    {"smtp://" + r.submission + "/client.test"},
		"crlf@away.test":     {"--crlf", "smtp://" + r.submission + "/client.test"},
		"starttls@away.test": {"--ssl-reqd", "--cacert", r.certificate, "smtp://localhost:" + portOf(t, r.submission) + "/client.test"},
		"implicit@away.test": {"--cacert", r.certificate, "smtps://localhost:" + portOf(t, r.submissions) + "/client.test"},
	} {
		file := data
		if rcpt == "crlf@away.test" {
			file = lines
		}
		if out, code := send(rcpt, file, flags...); code != 0 {
			t.Errorf("%s: exit code %d\n%s", rcpt, code, out)
			continue
		}
		checkContent(t, string(to.mailTo(t, rcpt).Content), awkward)
	}
	// A file with line feeds alone must not become a message that no standard allows.
	if out, code := send("bare@away.test", lines, "smtp://"+r.submission); code == 0 {
		t.Errorf("bare line feeds: exit code %d\n%s", code, out)
	}
	if out, code := send("nobody@-.test", data, "smtp://"+r.submission); code != 55 {
		t.Errorf("bad recipient: exit code %d\n%s", code, out)
	}
	await(t, "four accepted messages", func() (bool, string) { // the line follows the 250 within a moment
		n := r.count(t, "accepted", "")
		return n == 4, fmt.Sprint(n)
	})
}

// msmtp, and posthaste itself, in the place of sendmail.
func TestInteropSendmail(t *testing.T) {
	t.Parallel()
	msmtp := program(t, "msmtp")
	to := startReceiver(t, false)
	r := startRelay(t, fmt.Sprintf("smart_host = %q\n", to.address()))
	host, port := "--host=localhost", "--port="+portOf(t, r.submission)
	input := strings.ReplaceAll(awkward, "\r\n", "\n")
	for rcpt, command := range map[string][]string{
		"msmtp@away.test":     {msmtp, "--file=/dev/null", host, port, "--domain=client.test", "-f", "ann@sender.test"},
		"msmtp.tls@away.test": {msmtp, "--file=/dev/null", host, port, "--domain=client.test", "--tls=on", "--tls-trust-file=" + r.certificate, "-f", "ann@sender.test"},
		"msmtps@away.test":    {msmtp, "--file=/dev/null", host, "--port=" + portOf(t, r.submissions), "--tls=on", "--tls-starttls=off", "--tls-trust-file=" + r.certificate, "-f", "ann@sender.test"},
		"sendmail@away.test":  {r.binary, "sendmail", "-C", r.config, "-i", "-f", "ann@sender.test"},
		"address@away.test":   {r.binary, "sendmail", "-S", r.submission, "-oi", "-r", "ann@sender.test"},
	} {
		if out, code := execute(t, input, command[0], append(command[1:], rcpt)...); code != 0 {
			t.Errorf("%s: exit code %d\n%s", rcpt, code, out)
			continue
		}
		got := to.mailTo(t, rcpt)
		checkContent(t, string(got.Content), awkward)
		if got.Sender != "ann@sender.test" {
			t.Errorf("%s: sender %q", rcpt, got.Sender)
		}
	}
	// -t: recipients of the header; a blind one stays blind.
	blind := "Bcc: hidden@away.test\n"
	mustExecute(t, strings.Replace(input, "X-Empty:\n", blind, 1), msmtp, "--file=/dev/null", host, port, "-f", "ann@sender.test", "-t")
	mustExecute(t, strings.Replace(input, "X-Empty:\n", blind, 1), r.binary, "sendmail", "-t", "-i", "-C", r.config, "-f", "ann@sender.test")
	await(t, "both with blind copies", func() (bool, string) {
		n := 0
		for _, m := range to.mails(t) {
			if slices.Equal(m.Recipients, []string{"bob@away.test", "hidden@away.test"}) {
				n++
				checkContent(t, string(m.Content), strings.Replace(awkward, "X-Empty:\r\n", "", 1))
			}
		}
		return n == 2, fmt.Sprint(n)
	})
	// What is refused is told by msmtp's exit code, which is that of sysexits.h.
	if out, code := execute(t, input, msmtp, "--file=/dev/null", host, port, "-f", "ann@sender.test", "nobody@-.test"); code != 65 {
		t.Errorf("bad recipient: exit code %d\n%s", code, out)
	}
}
