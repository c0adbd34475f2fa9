//go:build interop

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/posthaste-mta/posthaste/resolver/resolvertest"
)

// restart starts the relay again, with its mx listener on the port that it had.
func (r *relayServer) restart(t *testing.T) {
	t.Helper()
	if code := r.stop(); code != 0 {
		t.Errorf("the relay ended with exit code %d\n%s", code, tail(r.output()))
	}
	text, err := os.ReadFile(r.config)
	if err != nil {
		t.Fatal(err)
	}
	putFile(t, r.config, strings.Replace(string(text), `address = "127.0.0.1:0"`, fmt.Sprintf("address = %q", r.mx), 1))
	r.start(t)
	t.Cleanup(func() { r.prove(t) }) // before that of the new process
}

// waitInWords is what the greylist says at RCPT.
var waitInWords = regexp.MustCompile(`451 4\.7\.1 (<\S+>: )?Greylisted, please try again in [1-9][0-9]* seconds?`)

// A Postfix that is not known is told to come again, in words, and does; the relay starts again in between. So does
// a client that somebody calls by hand.
func TestInteropGreylistedPostfix(t *testing.T) {
	t.Parallel()
	swaks := program(t, "swaks")
	away := startReceiver(t, false)
	names := resolvertest.Start(t, "home.test MX 10 mail.home.test\nmail.home.test A 127.0.0.1\n")
	r := startRelay(t, fmt.Sprintf("dns.servers = [%q]\nrelay.networks = []\nrelay.domains = [\"away.test\"]\nroutes.\"away.test\" = %q\n"+
		"greylist.enabled = true\ngreylist.delay = \"6s\"\n", names.Addr(), away.address()))
	s := startPostfix(t, freePort(t), r)
	post(t, s.address, "eve@home.test", "", "Subject: patience\r\n\r\nhello\r\n", "ann@away.test")
	byHand := func() (string, int) {
		return execute(t, "", swaks, "--server", r.mx, "--from", "eve@home.test", "--to", "bob@away.test", "--quit-after", "RCPT")
	}
	if out, code := byHand(); code != 24 || !waitInWords.MatchString(out) {
		t.Errorf("by hand: exit code %d\n%s", code, out)
	}
	await(t, "Postfix is told to wait", func() (bool, string) {
		log := s.log()
		return strings.Contains(log, "status=deferred") && waitInWords.MatchString(log), log
	})
	r.restart(t)
	if out, _ := r.command(t, "greylist", "list", "--waiting"); strings.Count(out, "127.0.0.0/24  from <eve@home.test>") != 2 {
		t.Errorf("after the restart the greylist knows:\n%s", out)
	}
	await(t, "Postfix is rid of it", func() (bool, string) {
		s.flush()
		time.Sleep(500 * time.Millisecond)
		log := s.log()
		return strings.Contains(log, "status=sent (250 2.0.0 Ok"), log
	})
	if got := away.mailTo(t, "ann@away.test"); !strings.Contains(string(got.Content), "\r\nSubject: patience\r\n") {
		t.Errorf("got\n%s", got.Content)
	}
	await(t, "by hand too", func() (bool, string) { out, code := byHand(); return code == 0, out })
	if out, code := r.command(t, "greylist", "list", "--rcpt", "ann@away.test"); code != 0 || !strings.Contains(out, "passes") {
		t.Errorf("greylist list: exit code %d\n%s", code, out)
	}
	r.await(t, "delivered", "ann@away.test")
}

// postgrey behind a Postfix has us come again. That is understood, and the next attempt comes long before the schedule
// wants it, from the same of several sources: any other would have to wait anew.
func TestInteropPostgrey(t *testing.T) {
	t.Parallel()
	postgrey, perl := unpackedProgram(t, "postgrey", "/usr/sbin/postgrey", "nobody"), program(t, "perl")
	place, port := shortDir(t), freePort(t)
	for _, name := range []string{"db", "none"} {
		if err := os.Mkdir(filepath.Join(place, name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(place, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	none := putFile(t, filepath.Join(place, "none", "list"), "")
	grey := spawn(t, perl, "-T", postgrey, fmt.Sprintf("--inet=127.0.0.1:%d", port), "--user=nobody", "--group=nogroup", "--delay=3",
		"--dbdir="+filepath.Join(place, "db"), "--lookup-by-host", "--auto-whitelist-clients=0", "--hostname=postfix.test",
		"--pidfile="+filepath.Join(place, "pid"), "--whitelist-clients="+none, "--whitelist-recipients="+none)
	awaitAddress(t, fmt.Sprintf("127.0.0.1:%d", port), grey.output)
	home := freePort(t)
	r := startRelay(t, fmt.Sprintf(`retry.intervals = ["1h"]
retry.jitter = 0.0
retry.greylist_retry = "2s"
routes."home.test" = "127.0.0.1:%d"
delivery.pool = "all"
source = [{name = "one", ip = "127.0.0.11"}, {name = "two", ip = "127.0.0.12"}, {name = "three", ip = "127.0.0.13"}]
pool = [{name = "all", sources = {one = 1, two = 1, three = 1}}]
`, home))
	s := startPostfixWith(t, home, r, fmt.Sprintf("smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:%d, permit_mynetworks, reject\n", port))
	post(t, r.mx, "eve@sender.test", "", "Subject: patience\r\n\r\nhello\r\n", "ann@home.test")
	first := r.await(t, "deferred", "ann@home.test")
	if first.Class != "greylisted" || !strings.Contains(first.Response.Content, "Greylisted") {
		t.Errorf("the first attempt: %s, which is %s", first, first.Class)
	}
	s.messageWith(t, "\r\nSubject: patience\r\n")
	last := r.await(t, "delivered", "ann@home.test")
	if last.Source == "" || last.Source != first.Source || last.Attempts < 2 || last.Attempts > 3 {
		t.Errorf("delivered from source %q at attempt %d, first tried from %q", last.Source, last.Attempts, first.Source)
	}
	if got := s.messageWith(t, "\r\nSubject: patience\r\n"); !strings.Contains(got, "X-Greylist: delayed ") {
		t.Errorf("postgrey did not see it:\n%s", got)
	}
}
