package imap

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/posthaste-mta/posthaste/mailbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ann = "ann@example.com"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a server with a store in memory, in which Ann has an account; her password is "secret".
type world struct {
	t      testing.TB
	store  *mailbox.Store
	server *Server
	logins *fakeLogins
	addr   string
}

func newStore(t testing.TB) *mailbox.Store {
	t.Helper()
	store, err := mailbox.Open(mailbox.Options{Dir: "mailbox", FS: vfs.NewMem(), Memory: 8 << 20, Now: func() time.Time { return noon }})
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	must(t, store.Add(t.Context(), ann, 0))
	return store
}

func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, store: newStore(t), logins: &fakeLogins{clear: true}}
	w.serve(change...)
	return w
}

func (w *world) serve(change ...func(*Config)) {
	w.t.Helper()
	cfg := Config{Hostname: "mail.example.com", Store: w.store, Logins: w.logins}
	for _, c := range change {
		c(&cfg)
	}
	w.server = New(cfg)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(w.t, err)
	w.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(ln) }()
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		must(w.t, w.server.Shutdown(ctx))
		if err := <-served; !errors.Is(err, ErrClosed) {
			w.t.Error("Serve:", err)
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put appends a message to a folder.
func (w *world) put(folder, content string, flags ...string) {
	w.t.Helper()
	var f mailbox.Flags
	for _, name := range flags {
		if bit, ok := systemFlag(flagName(name)); ok {
			f.System |= bit
		} else {
			f.Keywords = append(f.Keywords, name)
		}
	}
	_, _, err := w.store.Append(w.t.Context(), ann, folder, []byte(content), f, noon)
	must(w.t, err)
}

// wire is a client's side of a connection, line by line.
type wire struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func (w *world) dial() *wire {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	must(w.t, err)
	w.t.Cleanup(func() { _ = conn.Close() })
	return &wire{t: w.t, conn: conn, in: bufio.NewReader(conn)}
}

// login connects and logs in.
func (w *world) login() *wire {
	w.t.Helper()
	c := w.dial()
	c.line()
	c.do(`L LOGIN ann@example.com secret`)
	return c
}

func (c *wire) send(s string) {
	c.t.Helper()
	must(c.t, c.conn.SetWriteDeadline(time.Now().Add(10*time.Second)))
	_, err := c.conn.Write([]byte(s))
	must(c.t, err)
}

// line reads a line without its end; "(hangs up)" at the end of the connection.
func (c *wire) line() string {
	c.t.Helper()
	must(c.t, c.conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	return c.next()
}

func (c *wire) next() string {
	s, err := c.in.ReadString('\n')
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return "(silence)"
	case err != nil && s == "":
		return "(hangs up)"
	}
	return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
}

// do sends a command and returns the lines up to its tagged answer, which must be OK.
func (c *wire) do(command string) []string {
	c.t.Helper()
	lines := c.try(command)
	if last := lines[len(lines)-1]; !strings.Contains(last, " OK ") {
		c.t.Fatalf("%s: %s", command, strings.Join(lines, "\n"))
	}
	return lines
}

// try sends a command and returns the lines up to its tagged answer.
func (c *wire) try(command string) []string {
	c.t.Helper()
	c.send(command + "\r\n")
	tag, _, _ := strings.Cut(command, " ")
	return c.until(tag + " ")
}

// until returns lines up to one that begins so.
func (c *wire) until(prefix string) []string {
	c.t.Helper()
	var lines []string
	for {
		line := c.line()
		lines = append(lines, line)
		if strings.HasPrefix(line, prefix) {
			return lines
		}
		if line == "(hangs up)" || line == "(silence)" {
			c.t.Fatalf("waiting for %q: %q", prefix, lines)
		}
	}
}

// fakeLogins knows Ann, and a mechanism that asks for a word and has a last one.
type fakeLogins struct {
	clear   bool // logins in clear are allowed
	invalid atomic.Bool
	panics  atomic.Bool
}

func (l *fakeLogins) Mechanisms(state *tls.ConnectionState) []string {
	if state == nil && !l.clear {
		return nil
	}
	return []string{"SCRAM-SHA-256", "PLAIN", "LOGIN"}
}

func (l *fakeLogins) Password(_ context.Context, _ mailbox.Client, name, secret string) (mailbox.Owner, error) {
	switch {
	case name == ann && secret == "secret":
		return owner{l}, nil
	case name == "banned":
		return nil, &mailbox.LoginError{Banned: true, Text: "Too many failures"}
	case name == "busy":
		return nil, &mailbox.LoginError{Temporary: true, Text: "Try again later"}
	case name == "broken":
		return nil, errors.New("disk")
	}
	return nil, &mailbox.LoginError{Text: "Name or password is wrong"}
}

func (l *fakeLogins) Begin(ctx context.Context, mechanism string, client mailbox.Client) (mailbox.Exchange, error) {
	return &exchange{l: l, ctx: ctx, client: client, mechanism: mechanism}, nil
}

type owner struct{ l *fakeLogins }

func (owner) Account() string { return ann }
func (o owner) Check() error {
	if o.l.panics.Load() {
		panic("as the test wants")
	}
	if o.l.invalid.Load() {
		return errors.New("disabled")
	}
	return nil
}

type exchange struct {
	l         *fakeLogins
	ctx       context.Context
	client    mailbox.Client
	mechanism string
	step      int
	owner     mailbox.Owner
}

func (x *exchange) Owner() mailbox.Owner { return x.owner }

func (x *exchange) Next(response []byte) ([]byte, bool, error) {
	x.step++
	switch {
	case x.mechanism == "PLAIN" && response == nil:
		return nil, false, nil
	case x.mechanism == "PLAIN":
		words := strings.Split(string(response), "\x00")
		if len(words) != 3 {
			return nil, false, &mailbox.LoginError{Malformed: true, Text: "Not PLAIN"}
		}
		var err error
		x.owner, err = x.l.Password(x.ctx, x.client, words[1], words[2])
		return nil, err == nil, err
	case x.step == 1 && response == nil:
		x.step--
		return []byte{}, false, nil
	case x.step == 1:
		return []byte("r=first"), false, nil
	case string(response) != "p=proof":
		return nil, false, &mailbox.LoginError{Text: "Name or password is wrong"}
	}
	x.owner = owner{x.l}
	return []byte("v=last"), true, nil
}

// testTLS is a certificate for localhost, made for the test.
func testTLS(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// startTLS shakes hands.
func (c *wire) startTLS() *wire {
	_ = c.conn.SetDeadline(time.Time{})
	conn := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	return &wire{t: c.t, conn: conn, in: bufio.NewReader(conn)}
}
