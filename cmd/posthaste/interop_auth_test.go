//go:build interop

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// The programs that people send with log in by each mechanism that they know, and send as whom they may.
func TestInteropAuth(t *testing.T) {
	t.Parallel()
	swaks, curl, msmtp, python := program(t, "swaks"), program(t, "curl"), program(t, "msmtp"), program(t, "python3")
	to := startReceiver(t, false)
	// Nobody is trusted by address: what is sent has logged in.
	r := startRelay(t, fmt.Sprintf("smart_host = %q\nrelay.networks = []\n", to.address()))
	const secret = "correct horse+battery/staple"
	mustExecute(t, secret+"\n", r.binary, "credential", "add", "app", "--sender", "sender.test", "--secret-stdin", "--config", r.config)
	data := putFile(t, filepath.Join(r.dir, "letter"), awkward)
	input := strings.ReplaceAll(awkward, "\r\n", "\n")
	lines := putFile(t, filepath.Join(r.dir, "lines"), strings.TrimSuffix(input, "\n"))
	port, tlsPort := portOf(t, r.submission), portOf(t, r.submissions)

	viaSwaks := func(mechanism, secret string) []string {
		return []string{swaks, "--ehlo", "client.test", "--from", "ann@sender.test", "--server", "localhost:" + port, "--tls",
			"--auth", mechanism, "--auth-user", "app", "--auth-password", secret, "--data", "@" + lines, "--to"}
	}
	viaCurl := func(mechanism, secret string) []string {
		return []string{curl, "-sS", "--mail-from", "ann@sender.test", "-T", data, "--cacert", r.certificate, "--user", "app:" + secret,
			"--login-options", "AUTH=" + mechanism, "--ssl-reqd", "smtp://localhost:" + port + "/client.test", "--mail-rcpt"}
	}
	viaMsmtp := func(mechanism, port, starttls, secret string) []string {
		return []string{msmtp, "--file=/dev/null", "--host=localhost", "--port=" + port, "--domain=client.test", "--tls=on",
			"--tls-starttls=" + starttls, "--tls-trust-file=" + r.certificate, "--auth=" + mechanism, "--user=app",
			"--passwordeval=echo '" + secret + "'", "-f", "ann@sender.test"}
	}
	viaPython := func(mechanism, secret string) []string {
		return []string{python, "-B", "testdata/interop/login.py", port, r.certificate, mechanism, "app", secret, "ann@sender.test"}
	}
	for rcpt, command := range map[string][]string{
		"swaks.plain@away.test":  viaSwaks("PLAIN", secret),
		"swaks.login@away.test":  viaSwaks("LOGIN", secret),
		"curl.plain@away.test":   viaCurl("PLAIN", secret),
		"curl.login@away.test":   viaCurl("LOGIN", secret),
		"msmtp.plain@away.test":  viaMsmtp("plain", port, "on", secret),
		"msmtp.login@away.test":  viaMsmtp("login", port, "on", secret),
		"msmtp.scram@away.test":  viaMsmtp("scram-sha-256", port, "on", secret),
		"msmtps.scram@away.test": viaMsmtp("scram-sha-256", tlsPort, "off", secret),
		"msmtp.auto@away.test":   viaMsmtp("on", port, "on", secret),
		"python.plain@away.test": viaPython("PLAIN", secret),
		"python.login@away.test": viaPython("LOGIN", secret),
	} {
		out, code := execute(t, input, command[0], append(command[1:], rcpt)...)
		if code != 0 {
			t.Errorf("%s: exit code %d\n%s", rcpt, code, out)
			continue
		}
		if strings.HasPrefix(rcpt, "python") && out != "clear: nothing\ntls: SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN\n" {
			t.Errorf("offered: %s", out)
		}
		content := string(to.mailTo(t, rcpt).Content)
		if received := headerField(content, "Received")[0]; !strings.Contains(received, " with ESMTPSA id ") {
			t.Errorf("%s: %s", rcpt, received)
		}
	}

	for what, c := range map[string]struct {
		command []string
		code    int
		want    string
	}{
		"a wrong secret":      {viaSwaks("PLAIN", "a wrong secret"), 28, "535 5.7.8"},
		"a wrong one by curl": {viaCurl("PLAIN", "a wrong secret"), 67, ""},
		"no login":            {[]string{swaks, "--server", "localhost:" + port, "--tls", "--from", "ann@sender.test", "--to"}, 23, "530 5.7.0"},
		"in the clear":        {append(viaSwaks("PLAIN", secret)[:7:7], "--auth", "PLAIN", "--auth-user", "app", "--auth-password", secret, "--to"), 28, ""},
		"another's name":      {append([]string{swaks, "--from", "boss@other.test"}, append(viaSwaks("PLAIN", secret)[1:3:3], viaSwaks("PLAIN", secret)[5:]...)...), 23, "553 5.7.1"},
	} {
		out, code := execute(t, input, c.command[0], append(c.command[1:], "bob@away.test")...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit code %d, want %d with %q\n%s", what, code, c.code, c.want, out)
		}
	}
	// The log says who sent, and no log says a secret.
	await(t, "the events", func() (bool, string) {
		n := r.count(t, "accepted", "")
		return n == 11, fmt.Sprint(n)
	})
	if text := r.output() + r.summary(t); strings.Contains(text, secret) || strings.Contains(text, "wrong secret") {
		t.Error("a secret is in a log")
	}
}
