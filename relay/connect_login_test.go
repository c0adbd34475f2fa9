package relay

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/nexthop"
	"github.com/posthaste-mta/posthaste/smtp/smtptest"
)

// loginStory is a relay beside a provider that wants a login, and what came of one message.
type loginStory struct {
	login  nexthop.Login
	port   uint16 // 587 if 0
	script string
	// certificate is the name that the provider proves; "": the right one.
	certificate string
}

const provider = "smtp.provider.test"

// play sends a message, and returns what the provider heard on each connection, and what was told of the message.
func (l loginStory) play(t *testing.T) (heard, told string) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t)
		s.start()
		if l.port == 0 {
			l.port = 587
		}
		name := l.certificate
		if name == "" {
			name = provider
		}
		server, client := smtptest.TLSConfigs(t, name)
		client.ServerName = ""
		peer := smtptest.Start(t, l.script)
		peer.TLS = server
		s.relay.cfg.TLS = client
		s.relay.cfg.Dial = func(_ context.Context, _ policy.Source, addr netip.AddrPort) (net.Conn, error) {
			if !l.login.ImplicitTLS {
				return peer.Dial(), nil
			}
			ours, theirs := smtptest.Pipe()
			peer.Serve(tls.Server(theirs, server))
			return ours, nil
		}
		s.step("zone", []string{"x.test MX 10 " + provider, provider + " A 192.0.2.1", provider + " A 192.0.2.2"})
		s.limits.Port = l.port
		s.policy.Logins = nexthop.Logins{nexthop.Key(provider, l.port): l.login}
		s.relay.SetPolicy(s.shaped())
		told = s.submit([]string{"from=shop@a.test", "to=bob@x.test"}, nil) + s.seen()
		time.Sleep(time.Minute)
		told += s.seen()
		for i := range peer.Connections() {
			for line := range strings.Lines(peer.Transcript(i + 1)) {
				if said, ok := strings.CutPrefix(line, "C: "); ok && said[0] != '(' { // not how much content it was
					heard += said
				}
			}
		}
		s.stop()
	})
	return heard, told
}

func TestLogin(t *testing.T) {
	ann := nexthop.Login{User: "ann", Password: "secret"}
	implicit, insecure := ann, ann
	implicit.ImplicitTLS, insecure.Insecure = true, true
	const offers = "EHLO once -> 250-STARTTLS|250 PIPELINING\nEHLO -> 250-AUTH LOGIN PLAIN|250 PIPELINING\n"
	const clear = "EHLO -> 250-AUTH PLAIN|250 PIPELINING\n"
	const mail = "MAIL FROM:<shop@a.test>\nRCPT TO:<bob@x.test>\nDATA\nQUIT\n"
	for _, c := range []struct {
		what  string
		story loginStory
		heard string
		told  string // the last line
	}{
		{"over STARTTLS", loginStory{login: ann, script: offers + "AUTH -> 235 2.7.0 welcome"},
			"EHLO relay.test\nSTARTTLS\nEHLO relay.test\nAUTH PLAIN AGFubgBzZWNyZXQ=\n" + mail,
			"delivered 1 bob@x.test via smtp.provider.test: 250 2.0.0 Ok: taken"},
		{"over implicit TLS", loginStory{login: implicit, port: 465, script: clear + "AUTH -> 235 2.7.0 welcome"},
			"EHLO relay.test\nAUTH PLAIN AGFubgBzZWNyZXQ=\n" + mail,
			"delivered 1 bob@x.test via smtp.provider.test: 250 2.0.0 Ok: taken"},
		{"a wrong password waits, and is shown once", loginStory{login: ann, script: offers + "AUTH -> 535 5.7.8 no"},
			"EHLO relay.test\nSTARTTLS\nEHLO relay.test\nAUTH PLAIN AGFubgBzZWNyZXQ=\nQUIT\n",
			"deferred  1 bob@x.test via smtp.provider.test: 451 4.7.8 cannot log in to smtp.provider.test as ann: the host says 535 5.7.8 no (see [[login]] in the configuration), next in 5m0s"},
		{"not now", loginStory{login: ann, script: offers + "AUTH -> 454 4.7.0 later"},
			"EHLO relay.test\nSTARTTLS\nEHLO relay.test\nAUTH PLAIN AGFubgBzZWNyZXQ=\nQUIT\n",
			"deferred  1 bob@x.test via smtp.provider.test: 454 4.7.0 later, next in 5m0s"},
		{"a mechanism that is not there gives way", loginStory{login: ann, script: "AUTH once -> 504 5.5.4 what\nYW5u -> 334 UGFzc3dvcmQ6\nC2VJCMV0 -> 235 ok\nAUTH -> 334 VXNlcm5hbWU6\n" + offers},
			"EHLO relay.test\nSTARTTLS\nEHLO relay.test\nAUTH PLAIN AGFubgBzZWNyZXQ=\nAUTH LOGIN\nYW5u\nc2VjcmV0\n" + mail,
			"delivered 1 bob@x.test via smtp.provider.test: 250 2.0.0 Ok: taken"},
		{"nothing in common", loginStory{login: ann, script: "EHLO once -> 250 STARTTLS\nEHLO -> 250 AUTH XOAUTH2"},
			"EHLO relay.test\nSTARTTLS\nEHLO relay.test\nQUIT\n",
			`deferred  1 bob@x.test via smtp.provider.test: 451 4.7.8 cannot log in to smtp.provider.test as ann: the host offers no way to log in that is known here (it offers ["XOAUTH2"]) (see [[login]] in the configuration), next in 5m0s`},
		{"no TLS, no password", loginStory{login: ann, script: clear},
			"EHLO relay.test\nEHLO relay.test\n",
			"deferred  1 bob@x.test via smtp.provider.test: 451 4.7.10 TLS is required and smtp.provider.test does not offer it, next in 5m0s"},
		{"another's certificate, no password", loginStory{login: implicit, certificate: "evil.test", script: clear},
			"",
			"deferred  1 bob@x.test via smtp.provider.test: 451 4.7.5 the certificate of smtp.provider.test: x509: certificate is valid for evil.test, not smtp.provider.test, next in 5m0s"},
		{"unless it is wanted so", loginStory{login: insecure, script: clear + "AUTH -> 235 ok"},
			"EHLO relay.test\nAUTH PLAIN AGFubgBzZWNyZXQ=\n" + mail,
			"delivered 1 bob@x.test via smtp.provider.test: 250 2.0.0 Ok: taken"},
		{"implicit TLS without a login", loginStory{login: nexthop.Login{ImplicitTLS: true}, script: clear},
			"EHLO relay.test\n" + mail,
			"delivered 1 bob@x.test via smtp.provider.test: 250 2.0.0 Ok: taken"},
		{"the connection drops", loginStory{login: ann, script: offers + "AUTH -> close"},
			"EHLO relay.test\nSTARTTLS\nEHLO relay.test\nAUTH PLAIN AGFubgBzZWNyZXQ=\nEHLO relay.test\n", // the next address
			"deferred  1 bob@x.test via smtp.provider.test: 451 4.7.10 TLS is required and smtp.provider.test does not offer it, next in 5m0s"},
	} {
		t.Run(c.what, func(t *testing.T) {
			heard, told := c.story.play(t)
			if diff := cmp.Diff(c.heard, heard); diff != "" {
				t.Error(diff)
			}
			lines := strings.Split(strings.TrimSpace(told), "\n")
			for i, l := range lines {
				if strings.HasPrefix(l, "queued") {
					lines = lines[:i]
					break
				}
			}
			if diff := cmp.Diff(c.told, lines[len(lines)-1]); diff != "" {
				t.Errorf("%s\n%s", diff, told)
			}
		})
	}
}
