//go:build interop

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// relayServer is a `posthaste serve` of a test, with a data folder of its own.
type relayServer struct {
	*child
	dir, config string
	binary      string
	mx          string            // host:port that speaks STARTTLS
	proxied     string            // host:port that wants the PROXY protocol
	submission  string            // host:port that speaks STARTTLS
	submissions string            // host:port with implicit TLS
	certificate string            // PEM file
	where       map[string]string // host:port by the listener's name
	proved      bool
}

const relayConfig = `hostname = "relay.posthaste.test"
data_dir = "%[1]s/data"
control.socket = "%[1]s/ctl"
http.address = ""
log.format = "json"
shutdown.drain = "5s"
queue.memory = "32MiB"
queue.min_free_disk = "0B"
%[2]s
[[listener]]
name = "mx"
address = "127.0.0.1:0"
tls = "starttls"
cert = "%[1]s/cert.pem"
key = "%[1]s/key.pem"
[[listener]]
name = "proxied"
address = "127.0.0.1:0"
proxy_trusted = ["127.0.0.1/32"]
[[listener]]
name = "submission"
kind = "submission"
address = "127.0.0.1:%[3]d"
tls = "starttls"
cert = "%[1]s/cert.pem"
key = "%[1]s/key.pem"
[[listener]]
name = "submissions"
kind = "submission"
address = "127.0.0.1:0"
tls = "implicit"
cert = "%[1]s/cert.pem"
key = "%[1]s/key.pem"
`

// quickRetry comes again at once where mail was deferred.
const quickRetry = `retry.intervals = ["100ms"]
retry.jitter = 0.0
retry.greylist_retry = "100ms"
`

// startRelay starts a relay. settings are keys of the file's top table, dotted where they belong
// to another; $DIR is the relay's folder. When the test ends the relay has to prove that no recipient is missing.
func startRelay(t *testing.T, settings string) *relayServer {
	t.Helper()
	r := &relayServer{dir: shortDir(t)}
	var err error
	if r.binary, err = exec.LookPath("posthaste"); err != nil { // this test's binary, by the name of the command
		t.Fatal(err)
	}
	r.certificate = writeCertificate(t, r.dir, "relay.posthaste.test")
	settings = strings.ReplaceAll(settings, "$DIR", r.dir)
	r.config = putFile(t, filepath.Join(r.dir, "posthaste.toml"), fmt.Sprintf(relayConfig, r.dir, settings, freePort(t)))
	r.start(t)
	t.Cleanup(func() { r.prove(t) })
	return r
}

// prove ends the relay, once, when it has shown that no recipient is missing.
func (r *relayServer) prove(t *testing.T) {
	if t.Failed() {
		t.Logf("events:\n%s", tail(r.summary(t)))
		return
	}
	if r.proved {
		return
	}
	r.proved = true
	if out, code := r.command(t, "audit"); code != 0 {
		t.Errorf("audit: exit code %d\n%s", code, out)
	}
	if code := r.stop(); code != 0 {
		t.Errorf("the relay ended with exit code %d\n%s", code, tail(r.output()))
	}
}

func (r *relayServer) start(t *testing.T) {
	t.Helper()
	r.child = spawn(t, r.binary, "serve", "--config", r.config)
	listening := regexp.MustCompile(`"msg":"listening","listener":"(\w+)","address":"([^"]+)"`)
	config, err := os.ReadFile(r.config)
	if err != nil {
		t.Fatal(err)
	}
	where := map[string]string{}
	await(t, "the relay's listeners", func() (bool, string) {
		for _, m := range listening.FindAllStringSubmatch(r.output(), -1) {
			where[m[1]] = m[2]
		}
		return len(where) == bytes.Count(config, []byte("[[listener]]")), r.output()
	})
	r.where = where
	r.mx, r.proxied, r.submission, r.submissions = where["mx"], where["proxied"], where["submission"], where["submissions"]
}

// command runs a subcommand of posthaste against the relay.
func (r *relayServer) command(t *testing.T, args ...string) (string, int) {
	t.Helper()
	return execute(t, "", r.binary, append(args, "--config", r.config)...)
}

// event is what the tests read of a line of the event log.
type event struct {
	Type, ID, Sender, Recipient, Site string
	Response                          struct {
		Code         int
		EnhancedCode struct{ Class, Subject, Detail int } `json:"enhanced_code"`
		Content      string
		Remote       bool
		Command      string
	}
	Peer struct {
		Name, Addr string
	} `json:"peer_address"`
	Attempts   int    `json:"num_attempts"`
	Class      string `json:"bounce_classification"`
	Source     string `json:"egress_source"`
	Delivery   string `json:"delivery_protocol"`
	Reception  string `json:"reception_protocol"`
	TLSVersion string `json:"tls_protocol_version"`
}

// String shows what matters about the end of an attempt.
func (e event) String() string {
	s := e.Type + " " + e.Recipient
	c := e.Response
	if c.Code != 0 {
		s += fmt.Sprintf(": %d ", c.Code)
	}
	if x := c.EnhancedCode; x.Class != 0 {
		s += fmt.Sprintf("%d.%d.%d ", x.Class, x.Subject, x.Detail)
	}
	s += c.Content
	if c.Command != "" {
		s += " (to " + c.Command + ")"
	}
	return s
}

func (r *relayServer) eventText() string {
	b, err := os.ReadFile(filepath.Join(r.dir, "data", "events.jsonl"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// events returns all events so far.
func (r *relayServer) events(t *testing.T) []event {
	t.Helper()
	var all []event
	for line := range strings.Lines(r.eventText()) {
		var e event
		if !strings.HasSuffix(line, "\n") {
			break // being written
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("event log: %v in %s", err, line)
		}
		all = append(all, e)
	}
	return all
}

// summary shows all events so far.
func (r *relayServer) summary(t *testing.T) string {
	var b strings.Builder
	for _, e := range r.events(t) {
		fmt.Fprintln(&b, e.ID, e, e.Site)
	}
	return b.String()
}

// await returns the first event of a type about a recipient.
func (r *relayServer) await(t *testing.T, kind, recipient string) (found event) {
	t.Helper()
	await(t, kind+" "+recipient, func() (bool, string) {
		for _, e := range r.events(t) {
			if e.Type == kind && e.Recipient == recipient {
				found = e
				return true, ""
			}
		}
		return false, r.summary(t)
	})
	return found
}

// awaitCount waits until there are n events of a type.
func (r *relayServer) awaitCount(t *testing.T, kind string, n int) {
	t.Helper()
	await(t, fmt.Sprintf("%d events %s", n, kind), func() (bool, string) {
		got := r.count(t, kind, "")
		return got >= n, fmt.Sprintf("%d of them\n%s", got, r.summary(t))
	})
}

// count returns how many events there are of a type about a recipient; "" is any.
func (r *relayServer) count(t *testing.T, kind, recipient string) (n int) {
	t.Helper()
	for _, e := range r.events(t) {
		if e.Type == kind && (recipient == "" || e.Recipient == recipient) {
			n++
		}
	}
	return n
}

// portOf returns the port of host:port.
func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// writeCertificate makes a certificate that signs itself, cert.pem and key.pem in dir, and returns the path
// of the first.
func writeCertificate(t *testing.T, dir string, names ...string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: names[0]},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: append(names, "localhost"), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	putFile(t, filepath.Join(dir, "key.pem"), encode("PRIVATE KEY", secret))
	return putFile(t, filepath.Join(dir, "cert.pem"), encode("CERTIFICATE", der))
}
