package smtp

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serverTestTLS returns a configuration with a fresh certificate for mx.test.
func serverTestTLS(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"mx.test"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// socketClient is a client on a socket.
func socketClient(t testing.TB, addr string) *pipeClient {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second)) // only a failing test waits for it
	return &pipeClient{t: t, nc: nc, br: bufio.NewReader(nc)}
}

// startTLS goes on under TLS; err is the handshake's.
func (c *pipeClient) startTLS(cfg *tls.Config) error {
	t := tls.Client(c.nc, cfg)
	c.nc, c.br = t, bufio.NewReader(t)
	return t.Handshake()
}

// Until there is a certificate STARTTLS is not offered, and whoever tries it all the same goes on in the clear.
func TestServerTLSNotReady(t *testing.T) {
	var ready atomic.Bool
	_, addr := startServer(t, ServerConfig{TLS: serverTestTLS(t), TLSReady: ready.Load}, &serverRecord{})
	c := socketClient(t, addr)
	offered := func() (found bool) {
		c.send("EHLO a.test\r\n")
		for {
			line, err := c.br.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(line, "STARTTLS")
			if strings.HasPrefix(line, "250 ") {
				return found
			}
		}
	}
	c.expect("220 ")
	if offered() {
		t.Error("STARTTLS offered without a certificate")
	}
	c.send("STARTTLS\r\nNOOP\r\n")
	c.expect("454 4.7.0 TLS not available", "250 ")
	ready.Store(true)
	if !offered() {
		t.Error("STARTTLS not offered with a certificate")
	}
	c.send("STARTTLS\r\n")
	c.expect("220 2.0.0 Ready")
	if err := c.startTLS(anyCertificate); err != nil {
		t.Fatal(err)
	}
}

var anyCertificate = &tls.Config{InsecureSkipVerify: true}

// After STARTTLS the server knows nothing of what the client said before (RFC 3207 4.2).
func TestServerStartTLS(t *testing.T) {
	record := &serverRecord{auth: true}
	s, addr := startServer(t, ServerConfig{TLS: serverTestTLS(t)}, record)
	c := socketClient(t, addr)
	c.expect("220 ")
	c.send("EHLO before.test\r\nSTARTTLS\r\n")
	var announced string
	for !strings.HasPrefix(announced, "250 ") {
		line, err := c.br.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "250-AUTH") {
			t.Error("AUTH offered in the clear")
		}
		announced = line
	}
	c.expect("220 2.0.0 Ready")
	if err := c.startTLS(anyCertificate); err != nil {
		t.Fatal(err)
	}
	c.send("MAIL FROM:<a@a.test>\r\n")
	c.expect("503 5.5.1 Say EHLO first")
	c.send("EHLO after.test\r\n")
	c.expect("250-mx.test", "250-PIPELINING", "250-8BITMIME", "250-SIZE", "250-SMTPUTF8", "250-CHUNKING", "250-DSN", "250-AUTH PLAIN", "250-HELP", "250-LIMITS", "250 ")
	c.send("STARTTLS\r\nAUTH PLAIN AGFubgBzZWNyZXQ=\r\nMAIL FROM:<a@a.test> SMTPUTF8\r\n")
	c.expect("503 5.5.1 TLS is active", "235 ", "250 ")
	if got := record.info.Protocol(); got != "UTF8SMTPSA" {
		t.Errorf("protocol %s", got)
	}
	if record.info.HELO != "after.test" || record.info.TLS == nil || record.info.TLS.Version < tls.VersionTLS12 {
		t.Errorf("%+v", record.info)
	}
	c.send("QUIT\r\n")
	c.expect("221 ")
	c.expectEnd()
	if m := s.Metrics(); m.TLSHandshakes != 1 {
		t.Errorf("%+v", m)
	}
}

func TestServerImplicitTLS(t *testing.T) {
	record := &serverRecord{}
	s, addr := startServer(t, ServerConfig{TLS: serverTestTLS(t), ImplicitTLS: true, RequireTLS: true}, record)
	c := socketClient(t, addr)
	if err := c.startTLS(anyCertificate); err != nil {
		t.Fatal(err)
	}
	c.begin()
	c.send("x\r\n.\r\nQUIT\r\n")
	c.expect("250 ", "221 ")
	c.expectEnd()

	old := socketClient(t, addr)
	clear := old.nc
	if err := old.startTLS(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was taken")
	}
	_, _ = io.Copy(io.Discard, clear) // to the end, which comes after it was counted
	if m := s.Metrics(); m.TLSHandshakes != 1 || m.TLSFailures != 1 {
		t.Errorf("%+v", m)
	}
}

// A close_notify inside a chunk ends the connection: nothing is stored, and what follows in the
// clear is not read (CVE-2026-45185).
func TestServerCloseNotifyInChunk(t *testing.T) {
	record := &serverRecord{}
	_, addr := startServer(t, ServerConfig{TLS: serverTestTLS(t)}, record)
	c := socketClient(t, addr)
	clear := c.nc
	c.expect("220 ")
	c.send("HELO c.test\r\n")
	c.expect("250 ")
	c.send("STARTTLS\r\n")
	c.expect("220 ")
	if err := c.startTLS(anyCertificate); err != nil {
		t.Fatal(err)
	}
	c.send("HELO c.test\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nBDAT 20 LAST\r\nhalf")
	c.expect("250 ", "250 ", "250 ")
	if err := c.nc.(*tls.Conn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(clear, "0123456789012345\r\nNOOP\r\n")
	c.expectEnd()
	if strings.Contains(record.String(), "data") {
		t.Errorf("the session was told\n%s", record)
	}
}
