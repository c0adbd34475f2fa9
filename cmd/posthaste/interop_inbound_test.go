//go:build interop

package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/posthaste-mta/posthaste/resolver/resolvertest"
)

// signedLetter is a message whose author's domain has records for SPF, DKIM and DMARC.
const signedLetter = "From: Ann <ann@signed.test>\nTo: bob@home.test\nSubject: a signed\n letter\n" +
	"Date: Sun, 22 Nov 2026 10:00:00 +0000\nMessage-ID: <1@signed.test>\n\nHello  Bob\n.\n\nbye\n"

// signingKey makes a key, as a PEM file, and a DNS that has its record and those of its domain.
func signingKey(t *testing.T) (file string, names *resolvertest.Server) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	record := base64.StdEncoding.EncodeToString(public)
	secret := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	file = filepath.Join(shortDir(t), "key.pem")
	if err := os.WriteFile(file, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, resolvertest.Start(t, fmt.Sprintf(`signed.test MX 10 mail.signed.test
mail.signed.test A 127.0.0.1
1.0.0.127.in-addr.arpa PTR mail.signed.test
signed.test TXT "v=spf1 a:mail.signed.test -all"
sel._domainkey.signed.test TXT "v=DKIM1; k=rsa; p=%s" "%s"
_dmarc.signed.test TXT "v=DMARC1; p=reject"
`, record[:200], record[200:]))
}

// strict are the settings of a relay that takes mail for home.test from strangers, which all are, by this DNS.
func strict(names *resolvertest.Server, home *receiver) string {
	return fmt.Sprintf("dns.servers = [%q]\nrelay.networks = []\nrelay.domains = [\"home.test\"]\nroutes.\"home.test\" = %q\n",
		names.Addr(), home.address())
}

// What python3-dkim signs is valid to us, and what was changed behind it is refused as the domain wants it.
func TestInteropSignedByDKIMPy(t *testing.T) {
	t.Parallel()
	dkimsign := program(t, "dkimsign")
	python(t, "dkim")
	key, names := signingKey(t)
	home := startReceiver(t, false)
	r := startRelay(t, strict(names, home)+"inbound.actions.spf_fail = \"none\"\n")
	signed := mustExecute(t, signedLetter, dkimsign, "sel", "signed.test", key)
	post(t, r.mx, "ann@signed.test", "", strings.ReplaceAll(signed, "\n", "\r\n"), "bob@home.test")
	got := string(home.mailTo(t, "bob@home.test").Content)
	results := headerField(got, "Authentication-Results")
	if len(results) != 1 {
		t.Fatalf("results %q in\n%s", results, got)
	}
	for _, want := range []string{"relay.posthaste.test", "spf=pass smtp.mailfrom=signed.test", "dkim=pass header.d=signed.test header.s=sel",
		"dmarc=pass header.from=signed.test", "iprev=pass policy.iprev=127.0.0.1 smtp.remote-hostname=mail.signed.test"} {
		if !strings.Contains(strings.Join(strings.Fields(results[0]), " "), want) {
			t.Errorf("no %s in %s", want, results[0])
		}
	}
	if received := headerField(got, "Received")[0]; !strings.Contains(received, "(mail.signed.test [127.0.0.1])") {
		t.Errorf("Received: %s", received)
	}
	swaks := program(t, "swaks")
	changed := putFile(t, filepath.Join(r.dir, "changed"), strings.Replace(signed, "Hello", "Hallo", 1))
	// SPF names the client for bounces of another domain only, so that nothing proves the author.
	out, code := execute(t, "", swaks, "--server", r.mx, "--from", "<>", "--helo", "mail.signed.test", "--to", "bob@home.test", "--data", "@"+changed)
	if code == 0 || !strings.Contains(out, "550 5.7.1 refused by the DMARC policy of signed.test") {
		t.Errorf("a changed letter: exit code %d\n%s", code, out)
	}
}

// opendkim signs the mail of one relay as its filter; another relay, whose greylist has the first come again, finds the
// signature good.
func TestInteropSignedByOpenDKIM(t *testing.T) {
	t.Parallel()
	opendkim := program(t, "opendkim")
	needRoot(t)
	key, names := signingKey(t)
	place := shortDir(t)
	socket := filepath.Join(place, "s")
	conf := putFile(t, filepath.Join(place, "conf"), fmt.Sprintf("Mode s\nDomain signed.test\nSelector sel\nKeyFile %s\n"+
		"Canonicalization relaxed/simple\nSocket local:%s\nBackground no\nSyslog no\nUserID root\nRequireSafeKeys no\nNameservers 127.0.0.1\n", key, socket))
	filter := spawn(t, opendkim, "-f", "-x", conf)
	await(t, "opendkim", func() (bool, string) {
		_, err := os.Stat(socket)
		return err == nil, filter.output()
	})
	home := startReceiver(t, false)
	second := startRelay(t, strict(names, home)+"greylist.enabled = true\ngreylist.delay = \"1s\"\ngreylist.spf_passes = false\n")
	first := startRelay(t, quickRetry+fmt.Sprintf("routes.\"home.test\" = %q\n[[milter]]\nname = \"opendkim\"\naddress = \"unix:%s\"\n", second.mx, socket))
	post(t, first.mx, "ann@signed.test", "", strings.ReplaceAll(signedLetter, "\n", "\r\n"), "bob@home.test")
	got := string(home.mailTo(t, "bob@home.test").Content)
	if results := strings.Join(headerField(got, "Authentication-Results"), ""); !strings.Contains(results, "dkim=pass header.d=signed.test") {
		t.Errorf("results %q in\n%s", results, got)
	}
	waited := first.await(t, "deferred", "bob@home.test")
	if waited.Response.Code != 451 || !strings.Contains(waited.Response.Content, "Greylisted, please try again in 1 second") {
		t.Errorf("the greylist said %v", waited)
	}
	first.await(t, "delivered", "bob@home.test")
	if out, code := second.command(t, "greylist", "list", "--rcpt", "bob@home.test"); code != 0 || !strings.Contains(out, "127.0.0.0/24  from <ann@signed.test>  to <bob@home.test>  passes") {
		t.Errorf("greylist list: exit code %d\n%s", code, out)
	}
	id := second.await(t, "delivered", "bob@home.test").ID
	if out, _ := second.command(t, "trace", id); !strings.Contains(out, "spf=pass dkim=pass dmarc=pass iprev=pass") {
		t.Errorf("trace:\n%s", out)
	}
}

// rspamd refuses spam in the session, and marks the rest.
func TestInteropRspamd(t *testing.T) {
	t.Parallel()
	swaks, rspamd := program(t, "swaks"), program(t, "rspamd")
	place := struct {
		Dir  string
		Port int
	}{shortDir(t), freePort(t)}
	tmpl, err := template.ParseFiles("../../policy/milter/testdata/interop/rspamd.conf")
	if err != nil {
		t.Fatal(err)
	}
	var conf strings.Builder
	if err := tmpl.Execute(&conf, place); err != nil {
		t.Fatal(err)
	}
	// Until rspamd is there, the client is told to come again.
	home := startReceiver(t, false)
	r := startRelay(t, fmt.Sprintf("smart_host = %q\n[[milter]]\nname = \"rspamd\"\naddress = \"tcp:127.0.0.1:%d\"\nlisteners = [\"mx\"]\n", home.address(), place.Port))
	send := func(body string) (string, int) {
		return execute(t, "", swaks, "--server", r.mx, "--from", "ann@sender.test", "--to", "bob@home.test", "--body", body)
	}
	if out, code := send("An ordinary letter."); code != 26 || !strings.Contains(out, "<** 451 4.7.1 ") {
		t.Errorf("without rspamd: exit code %d\n%s", code, out)
	}
	filter := spawn(t, rspamd, "--no-fork", "--insecure", "--config", putFile(t, filepath.Join(place.Dir, "rspamd.conf"), conf.String()))
	// It takes ten seconds of a processor to start, for which a busy machine needs longer than our patience.
	there := func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", place.Port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	for end := time.Now().Add(4 * patience); !there() && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
	}
	awaitAddress(t, fmt.Sprintf("127.0.0.1:%d", place.Port), filter.output)
	if out, code := send("An ordinary letter."); code != 0 {
		t.Fatalf("an ordinary letter: exit code %d\n%s", code, out)
	}
	if got := string(home.mailTo(t, "bob@home.test").Content); !strings.Contains(got, "X-Spam-Status: No, score=") {
		t.Errorf("not marked:\n%s", got)
	}
	out, code := send("XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X")
	if code != 26 || !strings.Contains(out, "<** 554 ") {
		t.Errorf("spam: exit code %d\n%s", code, out)
	}
}
