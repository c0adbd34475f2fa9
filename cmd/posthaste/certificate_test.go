package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// pairFiles are a certificate that signs itself, and its key.
type pairFiles struct{ cert, key string }

// makePair writes name.pem and name.key for a host, good until then.
func makePair(t *testing.T, dir, name string, until time.Time, hosts ...string) pairFiles {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: hosts[0]}, DNSNames: hosts,
		NotBefore: until.Add(-90 * 24 * time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := pairFiles{filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")}
	write(t, p.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, p.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	return p
}

// write puts a file in place at once, as programs that renew certificates do.
func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// helloFor is what a client that names a host says.
func helloFor(host string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName: host, SupportedVersions: []uint16{tls.VersionTLS13},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.CurveP256},
	}
}

// shown returns the first host of the certificate that a client sees.
func shown(t *testing.T, set *certificateSet, host string) string {
	t.Helper()
	c, err := set.get(helloFor(host))
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf.DNSNames[0]
}

func TestCertificateFilesAreReadAgain(t *testing.T) {
	dir, later := t.TempDir(), time.Now().Add(60*24*time.Hour)
	core, logged := observer.New(zap.InfoLevel)
	files := makePair(t, dir, "a", later, "one.test")
	f := newCertificateFile(files.cert, files.key, zap.New(core))
	if err := f.reload(); err != nil {
		t.Fatal(err)
	}
	clock := time.Now()
	f.now = func() time.Time { return clock }
	set := &certificateSet{}
	set.show([]certificateSource{f})
	next := func() string {
		clock = clock.Add(certificateLook)
		return shown(t, set, "")
	}
	said := func() (out string) {
		for _, e := range logged.TakeAll() {
			out += e.Level.String() + " " + e.Message + "\n"
		}
		return out
	}
	if got := next(); got != "one.test" || said() != "" {
		t.Fatalf("at first: %s", got)
	}

	other := makePair(t, t.TempDir(), "b", later, "two.test")
	write(t, files.cert, read(t, other.cert)) // the key has yet to come
	if got := next(); got != "one.test" {
		t.Errorf("while the files do not go together: %s", got)
	}
	next()
	if got, want := said(), "error certificate not read again, the one in use stays\n"; got != want {
		t.Errorf("logged %q, want %q", got, want)
	}
	write(t, files.key, read(t, other.key))
	if got := shown(t, set, ""); got != "one.test" {
		t.Errorf("looked at the files twice within %v", certificateLook)
	}
	if got := next(); got != "two.test" {
		t.Errorf("after the renewal: %s", got)
	}
	if got, want := said(), "info certificate read again\n"; got != want {
		t.Errorf("logged %q, want %q", got, want)
	}
	os.Remove(files.cert)
	if got := next(); got != "two.test" || !strings.HasPrefix(said(), "error ") {
		t.Errorf("after the file is gone: %s", got)
	}
}

func TestCertificateIsChosenByName(t *testing.T) {
	dir, later := t.TempDir(), time.Now().Add(60*24*time.Hour)
	cfg := &Config{Listeners: []Listener{{Name: "own", TLS: "starttls"}, {Name: "shared", TLS: "implicit"}, {Name: "clear", TLS: "none"}}}
	own, b, c := makePair(t, dir, "a", later, "a.test"), makePair(t, dir, "b", later, "b.test"), makePair(t, dir, "c", later, "c.test", "*.c.test")
	cfg.Listeners[0].Cert, cfg.Listeners[0].Key = own.cert, own.key
	cfg.Certificates = []Certificate{{b.cert, b.key}, {c.cert, c.key}}
	all, err := openCertificates(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer all.close()
	if all.of(cfg.Listeners[2]) != nil {
		t.Error("a listener without TLS has certificates")
	}
	for _, test := range []struct{ host, own, shared string }{
		{"", "a.test", "b.test"},
		{"a.test", "a.test", "b.test"},
		{"b.test", "b.test", "b.test"},
		{"x.c.test", "c.test", "c.test"},
		{"other.test", "a.test", "b.test"},
	} {
		for i, want := range []string{test.own, test.shared} {
			if got := shown(t, all.of(cfg.Listeners[i]), test.host); got != want {
				t.Errorf("listener %s, host %q: %s, want %s", cfg.Listeners[i].Name, test.host, got, want)
			}
		}
	}
}

// A reload brings certificates and takes some away, for connections from then on; with one that is wrong all stay.
func TestCertificatesOfAReload(t *testing.T) {
	dir, later := t.TempDir(), time.Now().Add(60*24*time.Hour)
	a, b, c := makePair(t, dir, "a", later, "a.test"), makePair(t, dir, "b", later, "b.test"), makePair(t, dir, "c", later, "c.test")
	cfg := &Config{Listeners: []Listener{{Name: "own", TLS: "starttls", Cert: a.cert, Key: a.key}}, Certificates: []Certificate{{b.cert, b.key}}}
	all, err := openCertificates(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer all.close()
	set := all.of(cfg.Listeners[0])
	see := func(want ...string) {
		t.Helper()
		for i, host := range []string{"", "b.test", "c.test"} {
			if got := shown(t, set, host); got != want[i] {
				t.Errorf("host %q: %s, want %s", host, got, want[i])
			}
		}
	}
	see("a.test", "b.test", "a.test")
	next := *cfg
	next.Certificates = []Certificate{{c.cert, c.key}, {b.cert, c.key}}
	if err := all.apply(&next); err == nil {
		t.Error("a wrong pair was taken")
	}
	see("a.test", "b.test", "a.test")
	next.Listeners = []Listener{{Name: "own", TLS: "starttls", Cert: b.cert, Key: b.key}, {Name: "new", TLS: "starttls"}}
	next.Certificates = []Certificate{{c.cert, c.key}}
	if err := all.apply(&next); err != nil {
		t.Error(err)
	}
	see("b.test", "b.test", "c.test")
	left := all.left()
	if len(left) != 2 || left[c.cert] > 60*24*time.Hour || left[c.cert] < 59*24*time.Hour {
		t.Errorf("they are valid for %v", left)
	}
}

func TestCertificateWarnings(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name  string
		until time.Duration
		want  string
	}{
		{"old", -time.Hour, "certificate has expired"},
		{"soon", time.Hour, "certificate expires soon"},
		{"good", 30 * 24 * time.Hour, ""},
		{"early", 100 * 24 * time.Hour, "certificate is not valid yet"},
	} {
		core, logged := observer.New(zap.InfoLevel)
		files := makePair(t, dir, test.name, time.Now().Add(test.until), "a.test")
		if err := newCertificateFile(files.cert, files.key, zap.New(core)).reload(); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		got := ""
		for _, e := range logged.All() {
			got += e.Message
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// What is wrong with certificates is told with the line and the file.
func TestCertificateConfigErrors(t *testing.T) {
	dir, later := t.TempDir(), time.Now().Add(60*24*time.Hour)
	makePair(t, dir, "a", later, "a.test")
	makePair(t, dir, "b", later, "b.test")
	write(t, filepath.Join(dir, "text"), []byte("not PEM\n"))
	write(t, filepath.Join(dir, "broken"), []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	const listener = "hostname = \"relay.test\"\n[[listener]]\naddress = \":0\"\ntls = \"starttls\"\n"
	for name, test := range map[string]struct{ text, want string }{
		"good":             {"cert = DIR/a.pem\nkey = DIR/a.key\n", ""},
		"wrong key":        {"cert = DIR/a.pem\nkey = DIR/b.key\n", `6: listener[0].key: DIR/b.key does not go with the certificate in DIR/a.pem: tls: private key does not match public key`},
		"swapped":          {"cert = DIR/a.key\nkey = DIR/a.pem\n", `5: listener[0].cert: DIR/a.key holds no certificate in PEM form`},
		"no PEM":           {"cert = DIR/text\nkey = DIR/a.key\n", `5: listener[0].cert: DIR/text holds no certificate in PEM form`},
		"no key in it":     {"cert = DIR/a.pem\nkey = DIR/text\n", `6: listener[0].key: DIR/text does not go with the certificate in DIR/a.pem: tls: failed to find any PEM data in key input`},
		"broken":           {"cert = DIR/broken\nkey = DIR/a.key\n", `5: listener[0].cert: DIR/broken: x509: malformed certificate`},
		"missing":          {"cert = DIR/a.pem\nkey = DIR/none\n", `6: listener[0].key: open DIR/none: no such file or directory`},
		"nothing":          {"", `4: listener[0].tls: starttls wants cert and key too, or a [[certificate]]`},
		"shared":           {"[[certificate]]\ncert = DIR/a.pem\nkey = DIR/a.key\n", ""},
		"shared, half":     {"cert = DIR/a.pem\nkey = DIR/a.key\n[[certificate]]\ncert = DIR/a.pem\n", `7: certificate[0]: wants cert and key`},
		"shared, wrong":    {"[[certificate]]\ncert = DIR/a.pem\nkey = DIR/b.key\n", `7: certificate[0].key: DIR/b.key does not go with the certificate in DIR/a.pem: tls: private key does not match public key`},
		"acme":             {"cert = 'acme'\n[acme]\nagree_tos = true\n", ""},
		"acme, terms":      {"cert = 'acme'\n", `5: listener[0].cert: "acme" wants acme.agree_tos = true: the terms of service of the ACME server are to be agreed to`},
		"acme, key":        {"cert = 'acme'\nkey = DIR/a.key\n[acme]\nagree_tos = true\n", `6: listener[0].key: is of no use with cert = "acme"`},
		"acme, names":      {"cert = 'acme'\n[acme]\nagree_tos = true\nnames = ['a.test', '*.test', 'host']\n", "8: acme.names: element 2: \"*.test\" is not a domain name\n8: acme.names: element 3: \"host\" is not a name that others can look up"},
		"acme, directory":  {"cert = 'acme'\n[acme]\nagree_tos = true\ndirectory = 'http://ca.test'\n", `8: acme.directory: "http://ca.test" is not an https address`},
		"acme, challenge":  {"cert = 'acme'\n[acme]\nagree_tos = true\nchallenge = 'dns-01'\n", `8: acme.challenge: "dns-01" is not one of http-01, tls-alpn-01`},
		"acme, root":       {"cert = 'acme'\n[acme]\nagree_tos = true\nroot = DIR/text\n", `8: acme.root: DIR/text holds no certificate in PEM form`},
		"acme, email":      {"cert = 'acme'\n[acme]\nagree_tos = true\nemail = 'me'\n", `8: acme.email: "me" is not a bare address`},
		"acme, address":    {"cert = 'acme'\n[acme]\nagree_tos = true\naddress = '80'\n", `8: acme.address: "80" is not host:port`},
		"acme, not wanted": {"cert = DIR/a.pem\nkey = DIR/a.key\n[acme]\nnames = ['host']\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var text strings.Builder
			for line := range strings.Lines(listener + test.text) {
				if before, path, ok := strings.Cut(line, "DIR"); ok {
					line = before + `"` + dir + strings.TrimSuffix(path, "\n") + "\"\n"
				}
				text.WriteString(line)
			}
			_, _, err := ParseConfig("f", []byte(text.String()))
			got := ""
			if err != nil {
				got = strings.ReplaceAll(strings.ReplaceAll(err.Error(), dir, "DIR"), "f:", "")
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
