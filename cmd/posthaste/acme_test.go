package main

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	acmeca "github.com/letsencrypt/pebble/v2/ca"
	acmedb "github.com/letsencrypt/pebble/v2/db"
	acmeva "github.com/letsencrypt/pebble/v2/va"
	acmewfe "github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
	"go.uber.org/zap"
)

// acmeServer is Let's Encrypt's test server, on loopback. It finds every name at 127.0.0.1, where it connects to port
// for either challenge. It returns its directory and the file with its authority.
func acmeServer(t *testing.T, port int) (directory, root string) {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	quiet, store := log.New(t.Output(), "", 0), acmedb.NewMemoryStore()
	va := acmeva.New(quiet, port, port, true, nameServer(t), store)
	ca := acmeca.New(quiet, store, "", "ecdsa", 0, 1, map[string]acmeca.Profile{"default": {Description: "default"}})
	wfe := acmewfe.New(quiet, store, va, ca, []string{"ca.test"}, true, false, 0, 0)
	server := httptest.NewTLSServer(wfe.Handler())
	t.Cleanup(server.Close)
	root = filepath.Join(t.TempDir(), "root.pem")
	write(t, root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return server.URL + acmewfe.DirectoryPath, root
}

// nameServer answers with 127.0.0.1 for every name; it returns its address.
func nameServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(127, 0, 0, 1),
			}}
		}
		_ = w.WriteMsg(m) // the server asks again
	})}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.ShutdownContext(context.Background()); <-ended })
	return l.Addr().String()
}

// loopbackPort returns a free port of loopback.
func loopbackPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// acmeConfig is a configuration of one listener that has its certificate from an ACME server.
func acmeConfig(t *testing.T, dir, challenge, directory, root string, port int) *Config {
	t.Helper()
	cfg, _ := parse(t, fmt.Sprintf(`hostname = "mx.relay.test"
data_dir = %q
[[listener]]
name = "mx"
address = "127.0.0.1:0"
tls = "starttls"
cert = "acme"
[acme]
agree_tos = true
names = ["mx.relay.test", "smtp.relay.test"]
email = "ops@relay.test"
challenge = %q
directory = %q
root = %q
address = "127.0.0.1:%d"
`, dir, challenge, directory, root, port))
	return cfg
}

func TestACME(t *testing.T) {
	for _, challenge := range []string{"http-01", "tls-alpn-01"} {
		t.Run(challenge, func(t *testing.T) {
			port, dir := loopbackPort(t), t.TempDir()
			directory, root := acmeServer(t, port)
			cfg := acmeConfig(t, dir, challenge, directory, root, port)
			all, err := openCertificates(cfg, zap.NewNop())
			if err != nil {
				t.Fatal(err)
			}
			set := all.of(cfg.Listeners[0])
			awaitNames(t, set, "mx.relay.test", "smtp.relay.test")
			for host, want := range map[string]string{"": "mx.relay.test", "other.test": "mx.relay.test"} {
				if got := shown(t, set, host); got != want {
					t.Errorf("host %q: %s, want %s", host, got, want)
				}
			}
			all.close()

			// The next start has them from the disk, the ACME server cannot reach us any more.
			cfg.ACME.Address = fmt.Sprintf("127.0.0.1:%d", loopbackPort(t))
			if all, err = openCertificates(cfg, zap.NewNop()); err != nil {
				t.Fatal(err)
			}
			defer all.close()
			awaitNames(t, all.of(cfg.Listeners[0]), "mx.relay.test", "smtp.relay.test")
		})
	}
}

// awaitNames waits until each name has its certificate.
func awaitNames(t *testing.T, set *certificateSet, names ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for _, name := range names {
		for {
			if c, err := set.get(helloFor(name)); err == nil && c.Leaf.VerifyHostname(name) == nil {
				break
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("no certificate for %s", name)
			}
		}
	}
}

// An ACME server that is not there neither stops the start nor is STARTTLS offered.
func TestACMEServerIsDown(t *testing.T) {
	root := makePair(t, t.TempDir(), "root", time.Now().Add(time.Hour), "ca.test").cert
	cfg := acmeConfig(t, t.TempDir(), "http-01", "https://127.0.0.1:1/directory", root, loopbackPort(t))
	all, err := openCertificates(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer all.close()
	set := all.of(cfg.Listeners[0])
	if set.ready() {
		t.Error("a certificate is there")
	}
	if _, err := set.get(&tls.ClientHelloInfo{ServerName: "mx.relay.test"}); err != errNoCertificate {
		t.Errorf("handshake: %v", err)
	}
}

// An address at which mail programs are answered all the time answers the ACME server too.
func TestACMEAtAutoconfig(t *testing.T) {
	port := loopbackPort(t)
	directory, root := acmeServer(t, port)
	cfg := acmeConfig(t, t.TempDir(), "http-01", directory, root, port)
	cfg.Autoconfig.HTTPAddress, cfg.Autoconfig.Domains = cfg.ACME.Address, []string{"relay.test"}
	g, err := openGuide(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	var serving sync.WaitGroup
	failed := make(chan error, 2)
	for _, serve := range g.servers(failed) {
		serving.Go(serve)
	}
	all, err := openCertificates(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer all.close()
	awaitNames(t, all.of(cfg.Listeners[0]), "mx.relay.test", "smtp.relay.test")
	for _, path := range []string{"/.well-known/acme-challenge/abc", "/elsewhere"} {
		answer, err := http.Get("http://" + cfg.ACME.Address + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != 404 {
			t.Errorf("%s: %d", path, answer.StatusCode)
		}
	}
	g.close()
	serving.Wait()
	if len(failed) > 0 {
		t.Error(<-failed)
	}
}
