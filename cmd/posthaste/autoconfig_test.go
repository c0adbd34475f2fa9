package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
)

// guideConfig is a configuration with mailboxes and all that mail programs could use.
func guideConfig(t *testing.T, more string) (string, pairFiles) {
	t.Helper()
	pair := makePair(t, t.TempDir(), "mail", time.Now().Add(time.Hour), "mail.example.com", "autoconfig.example.com")
	return fmt.Sprintf(`hostname = "mail.example.com"
[mailbox]
domains = ["example.com", "Example.NET"]
[[certificate]]
cert = %q
key = %q
[[listener]]
name = "mx"
address = ":25"
tls = "starttls"
[[listener]]
name = "clear"
address = ":2587"
kind = "submission"
[[listener]]
name = "programs"
address = "127.0.0.1:587"
kind = "submission"
tls = "starttls"
[[listener]]
name = "submissions"
address = ":465"
kind = "submission"
tls = "implicit"
[[listener]]
name = "pop"
address = ":110"
kind = "pop3"
tls = "starttls"
[[listener]]
name = "imaps"
address = "systemd"
kind = "imap"
tls = "implicit"
`, pair.cert, pair.key) + more, pair
}

func TestServices(t *testing.T) {
	text, _ := guideConfig(t, "")
	cfg, _ := parse(t, text)
	var got []string
	for _, s := range servicesOf(cfg) {
		got = append(got, fmt.Sprintf("%s %s:%d implicit=%v", s.Protocol, s.Host, s.Port, s.Implicit))
	}
	want := []string{"imap mail.example.com:993 implicit=true", "pop3 mail.example.com:110 implicit=false", "smtp mail.example.com:465 implicit=true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s := autoconfigSettings(cfg); s.STS != nil || strings.Join(s.Domains, " ") != "example.com example.net" {
		t.Errorf("%+v", s)
	}
}

// Of the sockets: HTTPS with the shared certificate, HTTP with the same answers.
func TestGuide(t *testing.T) {
	text, pair := guideConfig(t, "[autoconfig]\naddress = \"127.0.0.1:0\"\nhttp_address = \"127.0.0.1:0\"\nmta_sts = \"enforce\"\n")
	cfg, _ := parse(t, text)
	g, err := openGuide(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := openCertificates(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer certificates.close()
	g.secure(certificates.of(cfg.Autoconfig.listener()))
	var serving sync.WaitGroup
	failed := make(chan error, 2)
	for _, serve := range g.servers(failed) {
		serving.Go(serve)
	}
	roots := x509.NewCertPool()
	authority, err := os.ReadFile(pair.cert)
	if err != nil || !roots.AppendCertsFromPEM(authority) {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "autoconfig.example.com"}}
	defer transport.CloseIdleConnections()
	ask := func(url, host string) string {
		t.Helper()
		request, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		answer, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.Status + " " + string(body)
	}
	safe := ask("https://"+g.safe.Addr().String()+"/mail/config-v1.1.xml", "autoconfig.example.com")
	if plain := ask("http://"+g.plain.Addr().String()+"/mail/config-v1.1.xml", "autoconfig.example.com"); plain != safe ||
		!strings.Contains(safe, "<hostname>mail.example.com</hostname>") || !strings.Contains(safe, "<port>993</port>") {
		t.Errorf("%s\nin the clear %s", safe, plain)
	}
	if policy := ask("https://"+g.safe.Addr().String()+"/.well-known/mta-sts.txt", "mta-sts.example.net"); !strings.Contains(policy, "mode: enforce\r\nmx: mail.example.com\r\n") {
		t.Error(policy)
	}
	g.close()
	serving.Wait()
	if len(failed) > 0 {
		t.Error(<-failed)
	}
}

func TestAutoconfigProblems(t *testing.T) {
	const acme = "[acme]\nagree_tos = true\n"
	for more, want := range map[string]string{
		"[autoconfig]\naddress = \":443\"\ncert = \"acme\"\n" + acme + "challenge = \"tls-alpn-01\"": "autoconfig.address: \":443\" is acme.address too",
		"[autoconfig]\naddress = \"443\"":                             "autoconfig.address: \"443\" is not host:port",
		"[autoconfig]\nmta_sts = \"testing\"\nhttp_address = \":80\"": "autoconfig.mta_sts: testing wants autoconfig.address",
		"[autoconfig]\naddress = \":443\"\ndomains = [\"-\"]":         "autoconfig.domains: element 1",
		"[autoconfig]\naddress = \":443\"\ndomains = []":              "autoconfig.domains: is empty",
		"[autoconfig]\naddress = \":443\"\nhost = \"a b\"":            "autoconfig.host:",
		"[autoconfig]\ncert = \"x.pem\"\nkey = \"x.key\"":             "autoconfig.cert: is of no use without autoconfig.address",
	} {
		text, _ := guideConfig(t, more)
		if _, _, err := ParseConfig("posthaste.toml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v\nwant %s", more, err, want)
		}
	}
	text, _ := guideConfig(t, "[autoconfig]\naddress = \":443\"\nhttp_address = \":80\"\ncert = \"acme\"\nmta_sts = \"testing\"\n"+acme)
	cfg, _ := parse(t, text)
	want := "mail.example.com autoconfig.example.com autodiscover.example.com mta-sts.example.com autoconfig.Example.NET autodiscover.Example.NET mta-sts.Example.NET"
	if got := strings.Join(cfg.ACME.Names, " "); got != want {
		t.Errorf("names %s", got)
	}
	const none = "hostname = \"mail.example.com\"\n[autoconfig]\nhttp_address = \":80\"\ndomains = [\"example.com\"]"
	if _, _, err := ParseConfig("posthaste.toml", []byte(none)); err == nil || !strings.Contains(err.Error(), "autoconfig: has nothing to tell") {
		t.Error(err)
	}
}

// Of a running daemon, all but the addresses changes at once.
func TestAutoconfigReload(t *testing.T) {
	text, _ := guideConfig(t, "[autoconfig]\nhttp_address = \":80\"\n")
	before, _ := parse(t, text)
	after, _ := parse(t, strings.Replace(text, ":80\"", ":81\"\nname = \"Mail\"\ndomains = [\"c.test\"]", 1))
	if got := restartKeys(before, after); len(got) != 1 || got[0] != "autoconfig.http_address" {
		t.Errorf("%v", got)
	}
}
