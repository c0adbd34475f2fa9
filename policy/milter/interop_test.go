//go:build interop

package milter

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/emersion/go-msgauth/dkim"
)

// These tests ask real filters, each a private instance on loopback. A program that is missing skips its test, or
// fails it when POSTHASTE_INTEROP_REQUIRE=1.

// patience is how long a filter may take to start.
const patience = 30 * time.Second

// lacking ends the test because something is not on this machine.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("POSTHASTE_INTEROP_REQUIRE") == "1" {
		t.Fatalf("%s (make deps-interop installs what the tests need)", what)
	}
	t.Skipf("%s (make deps-interop installs what the tests need)", what)
}

// spawn runs a program for the length of the test.
func spawn(t *testing.T, name string, args ...string) {
	t.Helper()
	var said lockedBuffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it ends by our signal
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(name), said.String())
		}
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// program returns the path of a program of Debian's.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"/usr/bin", "/usr/sbin"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	lacking(t, name+" is not installed")
	return ""
}

// freePort returns a port below those that the system gives to outgoing connections.
func freePort(t *testing.T) int {
	t.Helper()
	for port := 20000 + os.Getpid()%6000; port < 32000; port++ {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// shortDir makes a folder with a short name, which the path of a unix socket wants.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ph")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// ask scans, waiting for the filter to be up.
func ask(t *testing.T, s *Scanner, m Message) Verdict {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		v := s.Scan(t.Context(), m)
		if v.Err == nil || time.Now().After(end) {
			return v
		}
	}
}

func mail(body string) Message {
	m := letter()
	m.Content = []byte("From: Ann <ann@signed.example>\r\nTo: bob@b.example\r\nSubject: folded\r\n\tsubject\r\n" +
		"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@signed.example>\r\n\r\n" + body)
	m.Sender = "ann@signed.example"
	m.ClientAddr = netip.MustParseAddrPort("127.0.0.1:4711") // opendkim signs for its own machine
	return m
}

func TestRspamd(t *testing.T) {
	path := program(t, "rspamd")
	place := struct {
		Dir  string
		Port int
	}{shortDir(t), freePort(t)}
	tmpl, err := template.ParseFiles("testdata/interop/rspamd.conf")
	if err != nil {
		t.Fatal(err)
	}
	var conf bytes.Buffer
	if err := tmpl.Execute(&conf, place); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(place.Dir, "rspamd.conf")
	if err := os.WriteFile(file, conf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	spawn(t, path, "--no-fork", "--insecure", "--config", file)

	s, err := New(Options{Name: "rspamd", Address: fmt.Sprintf("127.0.0.1:%d", place.Port), Hostname: "relay.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v := ask(t, s, mail("An ordinary letter.\r\n"))
	if v.Err != nil || v.Action != ActionAccept || !bytes.Contains(v.Content, []byte("\r\nX-Spam-Status: No, score=")) ||
		!bytes.Contains(v.Content, []byte("X-Spamd-Result: default: False")) || !bytes.HasSuffix(v.Content, []byte("\r\n\r\nAn ordinary letter.\r\n")) {
		t.Errorf("an ordinary letter: %+v\n%s", v, v.Content)
	}
	const gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
	v = s.Scan(t.Context(), mail(gtube))
	if v.Action != ActionReject || v.Status.Code != 554 || !strings.Contains(v.Status.Text, "Gtube") && !strings.Contains(v.Status.Text, "rejected") {
		t.Errorf("spam: %+v", v)
	}
	large := mail(strings.Repeat("A line of seventy characters, which is repeated often in this letter.\r\n", 10000))
	if v := s.Scan(t.Context(), large); v.Err != nil || v.Action != ActionAccept {
		t.Errorf("a large letter: %v %v", v.Action, v.Err)
	}
	if m := s.Metrics(); m.Reused < 2 {
		t.Errorf("no connection was used again: %+v", m)
	}
}

func TestOpenDKIM(t *testing.T) {
	path := program(t, "opendkim")
	dir := shortDir(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), secret, 0o600); err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	record := "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public)

	for _, canon := range []string{"relaxed/relaxed", "simple/simple"} {
		t.Run(canon, func(t *testing.T) {
			place := shortDir(t)
			conf := filepath.Join(place, "conf")
			socket := filepath.Join(place, "s")
			settings := fmt.Sprintf("Mode s\nDomain signed.example\nSelector sel\nKeyFile %s/key.pem\nCanonicalization %s\n"+
				"Socket local:%s\nBackground no\nSyslog no\nUserID root\nRequireSafeKeys no\nNameservers 127.0.0.1\n", dir, canon, socket)
			if err := os.WriteFile(conf, []byte(settings), 0o600); err != nil {
				t.Fatal(err)
			}
			spawn(t, path, "-f", "-x", conf)
			s, err := New(Options{Name: "opendkim", Network: "unix", Address: socket, Hostname: "relay.example"})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for i, body := range []string{"Sign this.\r\n", "And  this \t\r\n.\r\n\r\n\r\n", strings.Repeat("0123456789\r\n", 20000)} {
				m := mail(body)
				v := ask(t, s, m)
				if v.Err != nil || v.Action != ActionAccept || !bytes.HasPrefix(v.Content, []byte("DKIM-Signature:")) {
					t.Fatalf("letter %d: %+v", i, v)
				}
				checks, err := dkim.VerifyWithOptions(bytes.NewReader(v.Content), &dkim.VerifyOptions{
					LookupTXT: func(name string) ([]string, error) { return []string{record}, nil },
				})
				if err != nil || len(checks) != 1 || checks[0].Err != nil || checks[0].Domain != "signed.example" {
					t.Errorf("letter %d: %v, %+v\n%s", i, err, checks, v.Content[:min(len(v.Content), 1500)])
				}
			}
			if m := s.Metrics(); m.Reused < 2 {
				t.Errorf("no connection was used again: %+v", m)
			}
		})
	}
}
