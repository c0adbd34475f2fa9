package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/relay"
)

const homeConfig = `
hostname = "mx.home.test"
data_dir = "DIR/data"
control.socket = "DIR/ctl.sock"
http.address = ""
log.level = "error"
queue = { memory = "16MiB", min_free_disk = 0 }
dns.servers = ["127.0.0.1:1"]
shutdown.drain = "5s"
[mailbox]
domains = ["home.test", "xn--bcher-kva.test"]
memory = "8MiB"
[[listener]]
address = "127.0.0.1:0"
[[listener]]
kind = "imap"
address = "127.0.0.1:0"
tls = "starttls"
auth_insecure = true
[[listener]]
kind = "pop3"
address = "127.0.0.1:0"
tls = "starttls"
auth_insecure = true
proxy_trusted = ["127.0.0.1"]
[[certificate]]
cert = "DIR/home.pem"
key = "DIR/home.key"
`

// home is a daemon with mailboxes, in this process.
type home struct {
	*testing.T
	dir, config string
	events      *eventWatch
	daemon      *daemon
	end         func()
}

// eventWatch tells of the events of mail.
type eventWatch struct{ lines chan string }

func (w *eventWatch) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		w.lines <- strings.TrimSpace(line)
	}
	return len(p), nil
}

// await reads events up to the first that has all words.
func (h *home) await(words ...string) {
	h.Helper()
	for timeout := time.After(20 * time.Second); ; {
		select {
		case line := <-h.events.lines:
			missing := 0
			for _, w := range words {
				if !strings.Contains(line, w) {
					missing++
				}
			}
			if missing == 0 {
				return
			}
		case <-timeout:
			h.Fatalf("no event with %q", words)
		}
	}
}

func newHome(t *testing.T) *home {
	h := &home{T: t, dir: t.TempDir()}
	makePair(t, h.dir, "home", time.Now().Add(time.Hour), "mx.home.test")
	h.configure("")
	t.Cleanup(func() {
		if h.end != nil {
			h.end()
		}
	})
	return h
}

// configure writes the configuration with more tables.
func (h *home) configure(tables string) {
	h.config = filepath.Join(h.dir, "posthaste.toml")
	write(h.T, h.config, []byte(strings.ReplaceAll(homeConfig+tables, "DIR", h.dir)))
}

func (h *home) start() {
	h.Helper()
	cfg, pos, err := LoadConfig(h.config)
	if err != nil {
		h.Fatal(err)
	}
	h.events = &eventWatch{make(chan string, 1000)}
	sinks := []relay.EventSink{{Writer: h.events, Format: relay.FormatText}}
	if h.daemon, err = newDaemon(cfg, h.config, zap.NewNop(), daemonOptions{sinks: sinks, positions: *pos}); err != nil {
		h.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.daemon.run(ctx, context.Background()) }()
	h.end = func() {
		h.end = nil
		cancel()
		if err := <-done; err != nil {
			h.Errorf("the daemon ended: %v", err)
		}
	}
}

func (h *home) users() admin.Users {
	c := admin.NewClient(h.daemon.cfg.Control.Socket)
	h.Cleanup(c.Close)
	return c.Users()
}

// send sends a message and returns what the relay refuses it with; "" if it takes it.
func (h *home) send(from, to, text string) string {
	h.Helper()
	err := smtp.SendMail(h.daemon.doors[0].sockets[0].Addr().String(), nil, from, []string{to}, []byte(text))
	var refused *textproto.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return fmt.Sprintf("%d %s", refused.Code, refused.Msg)
	default:
		h.Fatal(err)
		return ""
	}
}

// talk is a connection to a server of mail.
type talk struct {
	*home
	net.Conn
	in *bufio.Reader
}

// open connects to the listener of a kind, and says hello first where that is wanted.
func (h *home) open(kind, hello string) *talk {
	h.Helper()
	for _, door := range h.daemon.mailDoors {
		if door.Kind != kind {
			continue
		}
		c, err := net.Dial("tcp", door.sockets[0].Addr().String())
		if err != nil {
			h.Fatal(err)
		}
		h.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprint(c, hello)
		t := &talk{h, c, bufio.NewReader(c)}
		t.until("\r\n")
		return t
	}
	h.Fatal("no listener of that kind")
	return nil
}

// until reads up to a line that begins with mark, and returns what came.
func (t *talk) until(mark string) string {
	t.Helper()
	var all strings.Builder
	for {
		line, err := t.in.ReadString('\n')
		all.WriteString(line)
		if strings.HasPrefix(line, mark) || mark == "\r\n" && err == nil {
			return all.String()
		}
		if err != nil {
			return all.String() + err.Error()
		}
	}
}

// imap gives a command and returns the answer.
func (t *talk) imap(command string) string {
	t.Helper()
	fmt.Fprintf(t, "a %s\r\n", command)
	return t.until("a ")
}

// pop3 gives a command with an answer of one line.
func (t *talk) pop3(command string) string {
	t.Helper()
	fmt.Fprintf(t, "%s\r\n", command)
	return t.until("\r\n")
}

func (t *talk) want(got string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(got, w) {
			t.Errorf("%q lacks %q", got, w)
		}
	}
}

const proxyHello = "PROXY TCP4 192.0.2.7 192.0.2.1 4000 110\r\n"

// Mail to a local user is in the mailbox, and IMAP and POP3 show it, also after the next start.
func TestMailOfALocalUser(t *testing.T) {
	h := newHome(t)
	h.configure("[[alias]]\naddress = \"all@home.test\"\nto = [\"ann@home.test\", \"bob@home.test\", \"gone@home.test\"]\n")
	h.start()
	users := h.users()
	for _, name := range []string{"Ann@home.test", "bob@home.test"} {
		if _, err := users.Add(t.Context(), name, nil, "a good long password"); err != nil {
			t.Fatal(err)
		}
	}
	if said := h.send("eve@away.test", "ann+shop@home.test", "Subject: one\r\n\r\nhello\r\n"); said != "" {
		t.Fatal(said)
	}
	h.await("delivered", "ann+shop@home.test", "by local")
	if said := h.send("eve@away.test", "nobody@home.test", "\r\n"); !strings.HasPrefix(said, "550 5.1.1") {
		t.Errorf("nobody: %q", said)
	}
	// What an alias names and is not there is told to the sender, whose mailbox is here too.
	if said := h.send("bob@home.test", "all@home.test", "Subject: two\r\n\r\nhello\r\n"); said != "" {
		t.Fatal(said)
	}
	h.await("bounced", "gone@home.test")
	h.await("delivered", "bob@home.test", "by local")

	again := func() {
		t.Helper()
		ann := h.open("pop3", proxyHello)
		ann.want(ann.pop3("USER ANN@home.test"), "+OK")
		ann.want(ann.pop3("PASS a good long password"), "+OK")
		ann.want(ann.pop3("STAT"), "+OK 2 ")
		ann.pop3("RETR 1")
		ann.want(ann.until("."), "Return-Path: <eve@away.test>\r\nDelivered-To: ann+shop@home.test\r\n", "Subject: one\r\n", "\r\nhello\r\n.\r\n")
		ann.want(ann.pop3("QUIT"), "+OK")
		bob := h.open("imap", "")
		bob.want(bob.imap(`LOGIN bob@home.test "a good long password"`), "a OK")
		bob.want(bob.imap("SELECT INBOX"), "* 2 EXISTS", "a OK")
		bob.want(bob.imap("FETCH 1:2 BODY.PEEK[HEADER.FIELDS (SUBJECT DELIVERED-TO)]"), "Subject: two", "Delivered-To: bob@home.test", "a OK")
		bob.want(bob.imap(`LIST "" *`), "Junk", "Sent")
	}
	again()
	c := admin.NewClient(h.daemon.cfg.Control.Socket)
	defer c.Close()
	backup := filepath.Join(h.dir, "backup")
	if err := c.Backup(t.Context(), backup); err != nil {
		t.Error(err)
	}
	if r, err := verifyFolder(t.Context(), backup); err != nil || r.Mailbox.Messages != 4 || r.Mailbox.ProblemCount != 0 {
		t.Errorf("%+v, %v", r.Mailbox, err)
	}
	h.end()
	h.start()
	again()
}

// Who may log in, and for how long.
func TestLoginsOfLocalUsers(t *testing.T) {
	h := newHome(t)
	h.start()
	users := h.users()
	if _, err := users.Add(t.Context(), "ann@home.test", nil, "a good long password"); err != nil {
		t.Fatal(err)
	}
	// A credential alone has nothing to read.
	if _, err := h.daemon.book.Add(t.Context(), auth.Credential{Name: "shop@home.test", Senders: []string{"*"}}, "a good long password"); err != nil {
		t.Fatal(err)
	}
	c := h.open("imap", "")
	c.want(c.imap("CAPABILITY"), "STARTTLS", "AUTH=SCRAM-SHA-256", "AUTH=PLAIN")
	c.want(c.imap(`LOGIN ann@home.test "some other password"`), "a NO")
	c.want(c.imap(`LOGIN shop@home.test "a good long password"`), "a NO")
	c.want(c.imap(`LOGIN ann@home.test "a good long password"`), "a OK")
	if err := users.Disable(t.Context(), "ann@home.test", true); err != nil {
		t.Fatal(err)
	}
	if got := c.imap("NOOP") + c.imap("NOOP"); !strings.Contains(got, "BYE") {
		t.Errorf("disabled: %q", got)
	}
	p := h.open("pop3", proxyHello)
	p.pop3("USER ann@home.test")
	p.want(p.pop3("PASS a good long password"), "-ERR")

	if err := users.Disable(t.Context(), "ann@home.test", false); err != nil {
		t.Fatal(err)
	}
	p = h.open("pop3", proxyHello)
	p.pop3("USER ann@home.test")
	p.want(p.pop3("PASS a good long password"), "+OK")
	// A domain in letters of its own is the same in either form.
	if _, err := users.Add(t.Context(), "Jörg@bücher.test", nil, "a good long password"); err != nil {
		t.Fatal(err)
	}
	i := h.open("imap", "")
	i.want(i.imap("AUTHENTICATE PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00jörg@BÜCHER.test\x00a good long password"))), "a OK")
	if _, err := users.Passwd(t.Context(), "ann@home.test", "another long password"); err != nil {
		t.Fatal(err)
	}
	p.want(p.pop3("STAT"), "-ERR")
	if err := users.Remove(t.Context(), "ann@home.test"); err != nil {
		t.Fatal(err)
	}
	if said := h.send("eve@away.test", "ann@home.test", "\r\n"); !strings.HasPrefix(said, "550 5.1.1") {
		t.Errorf("removed: %q", said)
	}
}

// Aliases and local domains change while the daemon runs, and quotas are kept.
func TestReloadOfAliases(t *testing.T) {
	h := newHome(t)
	h.start()
	users := h.users()
	small := int64(1000)
	if _, err := users.Add(t.Context(), "ann@home.test", &small, ""); err != nil {
		t.Fatal(err)
	}
	if said := h.send("eve@away.test", "sales@home.test", "\r\n"); !strings.HasPrefix(said, "550 5.1.1") {
		t.Errorf("before: %q", said)
	}
	const loop = "[[alias]]\naddress = \"a@home.test\"\nto = [\"b@home.test\"]\n[[alias]]\naddress = \"b@home.test\"\nto = [\"a@home.test\"]\n"
	h.configure(loop)
	if _, err := h.daemon.reload(); err == nil || !strings.Contains(err.Error(), "alias[0].to: a@home.test leads back to itself") {
		t.Errorf("a loop: %v", err)
	}
	h.configure("[[alias]]\naddress = \"@home.test\"\nto = [\"ann@home.test\"]\n")
	if _, err := h.daemon.reload(); err != nil {
		t.Fatal(err)
	}
	if said := h.send("eve@away.test", "sales@home.test", "Subject: x\r\n\r\nhello\r\n"); said != "" {
		t.Errorf("after: %q", said)
	}
	h.await("delivered", "ann@home.test")
	if err := users.SetQuota(t.Context(), "ann@home.test", 10); err != nil {
		t.Fatal(err)
	}
	if said := h.send("eve@away.test", "sales@home.test", "Subject: x\r\n\r\nhello\r\n"); !strings.HasPrefix(said, "452 4.2.2") {
		t.Errorf("over quota: %q", said)
	}
}
