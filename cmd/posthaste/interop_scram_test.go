//go:build interop

package main

import (
	"fmt"
	"strings"
	"testing"
)

// GNU SASL logs in by each mechanism, by SCRAM-SHA-256-PLUS bound to TLS 1.3 and 1.2; with a wrong secret by none.
func TestInteropGSASL(t *testing.T) {
	t.Parallel()
	gsasl := program(t, "gsasl")
	r := startRelay(t, "relay.networks = []\n")
	const secret = "correct horse+battery/staple"
	mustExecute(t, secret+"\n", r.binary, "credential", "add", "app", "--sender", "sender.test", "--secret-stdin", "--config", r.config)
	login := func(secret string, more ...string) (string, int) {
		return execute(t, "", gsasl, append([]string{"--verbose", "--smtp", "--connect=localhost:" + portOf(t, r.submission), "--starttls",
			"--x509-ca-file=" + r.certificate, "--authentication-id=app", "--authorization-id=", "--password=" + secret}, more...)...)
	}
	for what, flags := range map[string][]string{
		"PLAIN":                       {"--mechanism=PLAIN"},
		"LOGIN":                       {"--mechanism=LOGIN"},
		"SCRAM-SHA-256":               {"--mechanism=SCRAM-SHA-256", "--no-cb"},
		"SCRAM-SHA-256-PLUS":          {"--mechanism=SCRAM-SHA-256-PLUS"},
		"SCRAM-SHA-256-PLUS, TLS 1.2": {"--mechanism=SCRAM-SHA-256-PLUS", "--priority=NORMAL:-VERS-TLS1.3"},
		"its own choice":              nil,
	} {
		out, code := login(secret, flags...)
		if code != 0 || !strings.Contains(out, "Client authentication finished (server trusted)") {
			t.Errorf("%s: exit code %d\n%s", what, code, tail(out))
		}
		if what == "its own choice" && !strings.Contains(out, "AUTH SCRAM-SHA-256-PLUS") {
			t.Errorf("it chose another:\n%s", tail(out))
		}
		if out, code := login("a wrong secret", flags...); code == 0 {
			t.Errorf("%s with a wrong secret:\n%s", what, tail(out))
		}
	}
}

// Postfix, whose logins are made by Cyrus SASL, hands its mail to us by each mechanism.
func TestInteropPostfixLogsIn(t *testing.T) {
	t.Parallel()
	away := startReceiver(t, false)
	r := startRelay(t, fmt.Sprintf("smart_host = %q\nrelay.networks = []\n", away.address()))
	mustExecute(t, "tanstaaf+tanstaaf\n", r.binary, "credential", "add", "mailer", "--sender", "home.test", "--secret-stdin", "--config", r.config)
	for _, mechanism := range []string{"scram-sha-256", "plain", "login"} {
		s := startPostfixWith(t, freePort(t), r, fmt.Sprintf("relayhost = [127.0.0.1]:%s\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_security_options =\n"+
			"smtp_sasl_mechanism_filter = %s\nsmtp_sasl_password_maps = inline:{ { [127.0.0.1]:%[1]s = mailer:tanstaaf+tanstaaf } }\n", portOf(t, r.submission), mechanism))
		rcpt := mechanism + "@away.test"
		post(t, s.address, "eve@home.test", "", "Subject: a login\r\n\r\nhello\r\n", rcpt)
		if received := headerField(string(away.mailTo(t, rcpt).Content), "Received")[0]; !strings.Contains(received, " with ESMTPSA id ") {
			t.Errorf("%s: %s", mechanism, received)
		}
	}
}
