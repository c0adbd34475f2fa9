package pop3

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestDialogues plays the files of testdata/dialogues. In each:
//
//	# a comment
//	config max-errors=3 ...    settings, see setting
//	message "a\r\n"            is in the maildrop, by UID 1, 2, 3
//	C: STAT                    the client sends this line, and CR LF
//	R: "a\nb"                  the client sends these bytes, and nothing else
//	C: (hangs up)              the client closes its side
//	C: (TLS)                   the client shakes hands
//	S: +OK 2 320               the server answers this line
//	SR: "a\nb"                 the server sends these bytes
//	S: (hangs up)              the server closes the connection
//	C2:, R2:, S2:              the same on a second connection
//	X: expunge 2               happens beside, see aside
//	left: 1 3                  the UIDs that are in the maildrop at the end
//
// C and R lines that follow each other are sent at once.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/dialogues/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues:", err)
	}
	certificate := testTLS(t)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d := &dialogue{t: t, inbox: newInbox(), cfg: testConfig(), tls: certificate}
			for i, line := range strings.Split(string(text), "\n") {
				d.where = fmt.Sprintf("%s:%d", file, i+1)
				d.line(line)
			}
			d.end()
		})
	}
}

type dialogue struct {
	t       *testing.T
	where   string
	inbox   *inbox
	cfg     Config
	tls     *tls.Config
	server  *Server
	addr    string
	clients [2]*dialogueClient
	left    *string
}

type dialogueClient struct {
	nc      net.Conn
	br      *bufio.Reader
	pending strings.Builder
}

func (d *dialogue) line(line string) {
	kind, rest, _ := strings.Cut(line, ": ")
	if strings.HasPrefix(line, "config ") || strings.HasPrefix(line, "message ") {
		kind, rest, _ = strings.Cut(line, " ")
	}
	switch kind {
	case "config":
		for setting := range strings.FieldsSeq(rest) {
			d.setting(setting)
		}
	case "message":
		d.inbox.deliver(d.unquote(rest))
	case "C", "C2":
		d.clientSays(d.client(kind), rest)
	case "R", "R2":
		d.client(kind).pending.WriteString(d.unquote(rest))
	case "SR":
		d.serverSends(d.client("C"), d.unquote(rest))
	case "S", "S2":
		d.serverSays(d.client(kind), rest)
	case "X":
		d.aside(rest)
	case "left", "left:":
		d.left = &rest
	default:
		if line != "" && !strings.HasPrefix(line, "#") {
			d.t.Fatalf("%s: what is this: %q", d.where, line)
		}
	}
}

func (d *dialogue) setting(setting string) {
	key, value, _ := strings.Cut(setting, "=")
	n, _ := strconv.Atoi(value)
	l := d.cfg.Logins.(*logins)
	switch key {
	case "tls":
		d.cfg.TLS = d.tls
	case "tls-not-ready":
		d.cfg.TLS, d.cfg.TLSReady = d.tls, func() bool { return false }
	case "implicit-tls":
		d.cfg.TLS, d.cfg.ImplicitTLS = d.tls, true
	case "clear":
		l.inClear = nil
		if value != "" {
			l.inClear = strings.Split(value, ",")
		}
	case "max-errors":
		d.cfg.MaxErrors = n
	case "max-commands":
		d.cfg.MaxCommands = n
	case "max-logins":
		d.cfg.MaxLogins = n
	case "max-connections":
		d.cfg.MaxConnections = n
	case "max-per-addr":
		d.cfg.MaxConnectionsPerAddr = n
	default:
		d.t.Fatalf("%s: unknown setting %q", d.where, key)
	}
}

// aside does what happens in other sessions, and to the store.
func (d *dialogue) aside(what string) {
	verb, arg, _ := strings.Cut(what, " ")
	b := d.inbox
	switch verb {
	case "expunge":
		uid, err := strconv.Atoi(arg)
		if err != nil {
			d.t.Fatalf("%s: %v", d.where, err)
		}
		b.mu.Lock()
		delete(b.content, uint32(uid))
		b.mu.Unlock()
	case "deliver":
		b.deliver(d.unquote(arg))
	case "disable":
		d.cfg.Logins.(*logins).disabled.Store(true)
	case "fail":
		err := errors.New("disk on fire")
		b.mu.Lock()
		switch arg {
		case "open":
			b.failOpen = err
		case "read":
			b.failRead = err
		case "panic":
			b.panicRead = true
		case "expunge":
			b.failExpunge = err
		}
		b.mu.Unlock()
	default:
		d.t.Fatalf("%s: what is %q", d.where, what)
	}
}

func (d *dialogue) unquote(s string) string {
	raw, err := strconv.Unquote(s)
	if err != nil {
		d.t.Fatalf("%s: %v", d.where, err)
	}
	return raw
}

// client returns the client of a line, which begins with the first of its lines.
func (d *dialogue) client(kind string) *dialogueClient {
	if d.server == nil {
		d.server, d.addr = startServer(d.t, d.cfg, d.inbox)
	}
	i := len(kind) - 1
	if d.clients[i] == nil {
		nc, err := net.Dial("tcp", d.addr)
		if err != nil {
			d.t.Fatal(err)
		}
		d.t.Cleanup(func() { nc.Close() })
		_ = nc.SetDeadline(time.Now().Add(20 * time.Second)) // only a failing test waits for it
		d.clients[i] = &dialogueClient{nc: nc, br: bufio.NewReader(nc)}
	}
	return d.clients[i]
}

func (d *dialogue) clientSays(c *dialogueClient, rest string) {
	switch rest {
	case "(hangs up)":
		c.send(d.t)
		_ = c.nc.(interface{ CloseWrite() error }).CloseWrite()
	case "(TLS)":
		t := tls.Client(c.nc, anyCertificate())
		if err := t.Handshake(); err != nil {
			d.t.Fatalf("%s: %v", d.where, err)
		}
		c.nc, c.br = t, bufio.NewReader(t)
	default:
		c.pending.WriteString(rest + "\r\n")
	}
}

func (c *dialogueClient) send(t *testing.T) {
	if c.pending.Len() > 0 {
		if _, err := io.WriteString(c.nc, c.pending.String()); err != nil {
			t.Fatal(err)
		}
		c.pending.Reset()
	}
}

func (d *dialogue) serverSays(c *dialogueClient, want string) {
	c.send(d.t)
	got, err := c.br.ReadString('\n')
	switch {
	case want == "(hangs up)":
		if err == nil {
			d.t.Fatalf("%s: the server says %q, should hang up", d.where, got)
		}
	case err != nil || got != want+"\r\n":
		d.t.Fatalf("%s:\n got %q (%v)\nwant %q", d.where, got, err, want+"\r\n")
	}
}

func (d *dialogue) serverSends(c *dialogueClient, want string) {
	c.send(d.t)
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c.br, got); err != nil || string(got) != want {
		d.t.Fatalf("%s:\n got %q (%v)\nwant %q", d.where, got[:n], err, want)
	}
}

func (d *dialogue) end() {
	for _, c := range d.clients {
		if c != nil {
			c.nc.Close()
		}
	}
	if err := d.server.Close(); err != nil {
		d.t.Error(err)
	}
	if !d.inbox.free() {
		d.t.Error("the maildrop was not given back")
	}
	if d.left != nil {
		got := strings.Trim(fmt.Sprint(d.inbox.UIDs()), "[]")
		if got != *d.left {
			d.t.Errorf("left: %s, want %s", got, *d.left)
		}
	}
}

// startServer serves the inbox on a free port.
func startServer(t testing.TB, cfg Config, b *inbox) (*Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(cfg)
	s.open = b.open
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-served; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, l.Addr().String()
}
