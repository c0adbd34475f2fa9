//go:build interop

package main

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/template"
)

// foreignServer is somebody else's mail server. Mail to ann and bob at home.test ends in its folder;
// all other mail it hands to the relay.
type foreignServer struct {
	name     string
	address  string
	mail     string   // the folder below which each message is a file in one named new
	adds     []string // header fields that it puts before a message
	noUTF8   bool     // it does not offer SMTPUTF8
	badTLS   bool     // it offers STARTTLS and then fails at the handshake with everyone
	refusal  string   // its reply to an unknown recipient
	announce string   // what it calls itself
	log      func() string
	flush    func() // has it try all that is deferred now
}

// serverPlace is what the templates of the servers' configurations know.
type serverPlace struct {
	Dir, User, UID, GID, RelayPort string
	Port                           int
	Extra                          string // lines at the end, which win
}

// newServerPlace makes a folder with a certificate and a mail folder of the user that the server delivers as.
func newServerPlace(t *testing.T, port int, relay *relayServer, owner string, folders ...string) serverPlace {
	t.Helper()
	u, err := user.Lookup(owner)
	if err != nil {
		lacking(t, err.Error())
	}
	p := serverPlace{Dir: shortDir(t), User: owner, UID: u.Uid, GID: u.Gid, RelayPort: portOf(t, relay.mx), Port: port}
	writeCertificate(t, p.Dir, "server.test")
	for _, f := range append(folders, "mail") {
		p.folder(t, f, u)
	}
	return p
}

// folder makes a folder that belongs to a user.
func (p serverPlace) folder(t *testing.T, name string, u *user.User) {
	t.Helper()
	uid, _ := strconv.Atoi(u.Uid) // a number on every system that these servers run on
	gid, _ := strconv.Atoi(u.Gid)
	path := filepath.Join(p.Dir, name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
}

// configure fills in a configuration of testdata/interop and returns where it is.
func (p serverPlace) configure(t *testing.T, name, as string) string {
	t.Helper()
	tmpl, err := template.ParseFiles("testdata/interop/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := tmpl.Execute(&b, p); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(p.Dir, as)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	return putFile(t, path, b.String())
}

func (p serverPlace) address() string { return fmt.Sprintf("127.0.0.1:%d", p.Port) }

// startPostfix starts Debian's Postfix with a configuration, a queue and data of its own.
func startPostfix(t *testing.T, port int, relay *relayServer) *foreignServer {
	t.Helper()
	return startPostfixWith(t, port, relay, "")
}

// startPostfixWith starts one with more lines in its main.cf.
func startPostfixWith(t *testing.T, port int, relay *relayServer, extra string) *foreignServer {
	t.Helper()
	needRoot(t)
	command := program(t, "postfix")
	p := newServerPlace(t, port, relay, "postfix", "lib")
	p.Extra = extra
	conf := filepath.Dir(p.configure(t, "postfix-main.cf", "etc/main.cf"))
	p.configure(t, "postfix-master.cf", "etc/master.cf")
	if err := os.Mkdir(filepath.Join(p.Dir, "spool"), 0o755); err != nil {
		t.Fatal(err)
	}
	mustExecute(t, "", command, "-c", conf, "start")
	log := func() string {
		b, _ := os.ReadFile(filepath.Join(p.Dir, "maillog"))
		return string(b)
	}
	t.Cleanup(func() {
		if out, code := execute(t, "", command, "-c", conf, "stop"); code != 0 {
			t.Errorf("postfix stop: exit code %d\n%s", code, out)
		}
		if t.Failed() {
			t.Logf("postfix said:\n%s", tail(log()))
		}
	})
	// Until its log daemon runs, Postfix has room for a few lines only; with more, such as those about connections,
	// all its processes wait for that daemon, and so does the one that would start it.
	await(t, "Postfix's log", func() (bool, string) { return strings.Contains(log(), "daemon started"), log() })
	awaitAddress(t, p.address(), log)
	return &foreignServer{
		name: "postfix", address: p.address(), mail: filepath.Join(p.Dir, "mail"), announce: "postfix.test", log: log,
		flush:   func() { mustExecute(t, "", command, "-c", conf, "flush") },
		adds:    []string{"Return-Path", "X-Original-To", "Delivered-To"},
		refusal: "550 5.1.1 <nobody@home.test>: Recipient address rejected: User unknown in virtual mailbox table",
	}
}

// startExim starts Debian's Exim. It runs itself again under its own user, who may not reach the folder of
// unpacked packages, so it runs from a copy, which has no set-user-id bit.
func startExim(t *testing.T, port int, relay *relayServer) *foreignServer {
	t.Helper()
	const owner = "Debian-exim"
	original := unpackedProgram(t, "exim4-daemon-light", "/usr/sbin/exim4", owner)
	p := newServerPlace(t, port, relay, owner, "spool", "log")
	binary, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	exim := filepath.Join(p.Dir, "exim")
	if err := os.WriteFile(exim, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	u, err := user.Lookup(owner)
	if err != nil {
		t.Fatal(err)
	}
	p.folder(t, "mail", u)
	c := spawn(t, exim, "-C", p.configure(t, "exim.conf", "exim.conf"), "-bdf", "-q1s")
	t.Cleanup(func() {
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(p.Dir, "log/mainlog"))
			t.Logf("exim wrote:\n%s", tail(string(b)))
		}
	})
	awaitAddress(t, p.address(), c.output)
	return &foreignServer{
		name: "exim", address: p.address(), mail: filepath.Join(p.Dir, "mail"), announce: "exim.test",
		refusal: "550 unknown user",
	}
}

// startOpenSMTPD starts Debian's OpenSMTPD. The folders of its queue and of its own programs are compiled in, so
// it has a mount name space of its own in which they are the test's and those of the unpacked package.
func startOpenSMTPD(t *testing.T, port int, relay *relayServer) *foreignServer {
	t.Helper()
	binary := unpackedProgram(t, "opensmtpd", "/usr/sbin/smtpd", "opensmtpd")
	unshare := program(t, "unshare")
	p := newServerPlace(t, port, relay, "nobody")
	for _, d := range []string{"spool/smtpd", "lib/opensmtpd/empty", "run"} {
		if err := os.MkdirAll(filepath.Join(p.Dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(p.Dir, "spool/smtpd"), 0o711); err != nil { // it insists
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(p.Dir, "key.pem"), 0o600); err != nil { // on this too
		t.Fatal(err)
	}
	libexec := filepath.Join(filepath.Dir(binary), "../libexec")
	const script = `mount --bind "$1/spool" /var/spool && mount --bind "$1/lib" /var/lib && mount --bind "$1/run" /run && mount --bind "$4" /usr/libexec && exec "$2" -d -f "$3"`
	c := spawn(t, unshare, "--mount", "--propagation", "private", "sh", "-c", script, "sh", p.Dir, binary, p.configure(t, "smtpd.conf", "smtpd.conf"), libexec)
	awaitAddress(t, p.address(), c.output)
	return &foreignServer{
		name: "opensmtpd", address: p.address(), mail: filepath.Join(p.Dir, "mail"), announce: "opensmtpd.test", noUTF8: true,
		badTLS:  true, // that of Debian 12 cannot reach its own private key: OpenSMTPD 6.8 with OpenSSL 3
		adds:    []string{"Return-Path", "Delivered-To"},
		refusal: "524 5.2.4 Mailing list expansion problem: <nobody@home.test>",
	}
}

// messages returns the delivered messages, with CRLF again.
func (s *foreignServer) messages(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir(s.mail, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(filepath.Dir(path)) != "new" || strings.HasSuffix(path, ".part") {
			return err
		}
		b, err := os.ReadFile(path)
		all = append(all, strings.ReplaceAll(string(b), "\n", "\r\n"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// messageWith waits for the message with some text in it.
func (s *foreignServer) messageWith(t *testing.T, text string) (found string) {
	t.Helper()
	await(t, s.name+": the message with "+text, func() (bool, string) {
		all := s.messages(t)
		for _, m := range all {
			if strings.Contains(m, text) {
				found = m
				return true, ""
			}
		}
		return false, fmt.Sprintf("%d others", len(all))
	})
	return found
}
