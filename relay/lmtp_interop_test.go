//go:build interop

package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/resolver"
	"github.com/posthaste-mta/posthaste/smtp"
)

// TestDovecotLMTP delivers to Dovecot over TCP and over a Unix socket, by BDAT and by DATA: to those it knows, one it
// does not know and one who has no room, all in one message. What it takes comes out as it went in.
func TestDovecotLMTP(t *testing.T) {
	d := startDovecot(t)
	for name, host := range map[string]resolver.Host{
		"tcp":    {Name: "store.test", Addrs: []netip.AddrPort{d.addr}},
		"socket": {Name: d.socket, Socket: d.socket, Addrs: []netip.AddrPort{{}}},
	} {
		for _, chunking := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s chunking=%v", name, chunking), func(t *testing.T) { d.deliver(t, host, chunking) })
		}
	}
}

func (d *dovecot) deliver(t *testing.T, host resolver.Host, chunking bool) {
	q, err := queue.Open(queue.Options{Dir: "queue", FS: vfs.NewMem(), MinFreeDisk: -1, Memory: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	events, err := OpenEventLog(EventLogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sub := events.Subscribe(0)
	shaping, err := policy.NewShaping(policy.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	r := New(Config{
		Hostname: "relay.test", Queue: q, Events: events, Router: storeRouter{host}, Client: smtp.ClientConfig{DisableChunking: !chunking},
	}, Policy{Access: policy.DefaultAccess(), Shaping: shaping, Retry: policy.Schedules{Default: policy.DefaultSchedule()}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, time.Second) }()
	defer func() {
		cancel()
		if err := errors.Join(<-ended, events.Close(), q.Close()); err != nil {
			t.Error(err)
		}
	}()

	body := "Subject: to the store\r\n\r\n.\r\n..\r\n.dot\r\nd\xe9j\xe0 vu\r\n" + strings.Repeat("long ", 180) + "\r\n\r\n\r\nthe end"
	to := []string{"ann@store.test", "nobody@store.test", "full@store.test", "bob+tag@store.test"}
	d.submit(t, r, body, to)
	d.submit(t, r, "Subject: nobody\r\n\r\n", []string{"nobody@store.test"})
	d.submit(t, r, "Subject: again\r\n\r\n", []string{"ann@store.test"})

	want := map[string]string{
		"ann@store.test": "delivered 250", "bob+tag@store.test": "delivered 250", "full@store.test": "bounced 552", "nobody@store.test": "bounced 550",
	}
	wait, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	for left := len(to) + 2; left > 0; {
		got, _, err := sub.Next(wait)
		if err != nil {
			t.Fatalf("%d outcomes are missing: %v\n%s", left, err, d.log())
		}
		for _, e := range got {
			if e.Type != EventDelivered && e.Type != EventBounced && e.Type != EventDeferred {
				continue
			}
			left--
			if found := fmt.Sprintf("%s %d", e.Type, e.Status.Code); found != want[e.Recipient] {
				t.Errorf("%s: %s (%s), want %s", e.Recipient, found, e.Status, want[e.Recipient])
			}
			if e.Protocol != "LMTP" {
				t.Errorf("the protocol is %q", e.Protocol)
			}
		}
	}
	for _, who := range []string{"ann", "bob"} {
		if n := d.holding(t, who, body); n != 1 {
			t.Errorf("%s has %d messages with the body that was sent\n%s", who, n, d.log())
		}
	}
}

func (d *dovecot) submit(t *testing.T, r *Relay, content string, to []string) {
	t.Helper()
	session, err := (&Intake{Relay: r}).NewSession(&smtp.ConnInfo{ESMTP: true, HELO: "client", RemoteAddr: netip.MustParseAddrPort("127.0.0.1:1")})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Logout()
	if err := session.Mail("", &gosmtp.MailOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, one := range to {
		if err := session.Rcpt(one, &gosmtp.RcptOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	var reply *gosmtp.SMTPError
	if err := session.Data(smtp.NewBody([]byte(content))); !errors.As(err, &reply) || reply.Code != 250 {
		t.Fatal(err)
	}
}

// storeRouter sends all mail to one mail store.
type storeRouter struct{ host resolver.Host }

func (r storeRouter) Route(_ context.Context, domain string) (resolver.Route, error) {
	return resolver.Route{Domain: domain, Site: "lmtp:" + r.host.Name, Kind: resolver.KindStatic, LMTP: true, Hosts: []resolver.Host{r.host}}, nil
}

// dovecot is Dovecot with three users, of whom full has no room.
type dovecot struct {
	dir    string
	addr   netip.AddrPort
	socket string
}

const dovecotConfig = `
base_dir = %[1]s/run
state_dir = %[1]s/run
log_path = %[1]s/log
protocols = lmtp
ssl = no
first_valid_uid = 1
default_internal_user = %[2]s
default_login_user = %[3]s
mail_location = maildir:%[1]s/mail/%%n
mail_plugins = quota
recipient_delimiter = +
passdb {
  driver = passwd-file
  args = %[1]s/users
}
userdb {
  driver = passwd-file
  args = %[1]s/users
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
}
service anvil {
  chroot =
}
service lmtp {
  unix_listener %[1]s/lmtp {
    mode = 0666
  }
  inet_listener lmtp {
    address = 127.0.0.1
    port = %[4]d
  }
}
`

// startDovecot runs Dovecot until the test ends. Where root runs the tests, mail belongs to nobody.
func startDovecot(t *testing.T) *dovecot {
	t.Helper()
	dir, err := os.MkdirTemp("", "dovecot") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &dovecot{dir: dir, addr: l.Addr().(*net.TCPAddr).AddrPort(), socket: dir + "/lmtp"}
	l.Close()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	owner, internal, login := me.Uid+":"+me.Gid, me.Username, me.Username
	if me.Uid == "0" {
		owner, internal, login = "65534:65534", "dovecot", "dovenull"
	}
	var users strings.Builder
	for _, name := range []string{"ann", "bob", "full"} {
		extra := ""
		if name == "full" {
			extra = "userdb_quota_rule=*:bytes=100"
		}
		fmt.Fprintf(&users, "%s@store.test:{PLAIN}x:%s::%s/mail/%s::%s\n", name, owner, dir, name, extra)
	}
	config := fmt.Sprintf(dovecotConfig, dir, internal, login, d.addr.Port())
	for name, text := range map[string]string{"dovecot.conf": config, "users": users.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.MkdirAll(dir+"/mail", 0o777), os.Chmod(dir+"/mail", 0o777)); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("dovecot")
	if err != nil {
		if program = "/usr/sbin/dovecot"; !executable(program) {
			t.Fatal("dovecot is missing: make deps-interop installs it")
		}
	}
	var out bytes.Buffer
	command := exec.Command(program, "-F", "-c", dir+"/dovecot.conf")
	command.Stdout, command.Stderr = &out, &out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Signal(syscall.SIGTERM)
		command.Wait()
	})
	for range 200 {
		conn, err := net.Dial("tcp", d.addr.String())
		if err == nil {
			conn.Close()
			return d
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("Dovecot does not start: %s\n%s", out.String(), d.log())
	return nil
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0
}

func (d *dovecot) log() string {
	b, _ := os.ReadFile(d.dir + "/log")
	return string(b)
}

// holding counts a user's messages that end in body, and removes them. Dovecot keeps lines as Unix does.
func (d *dovecot) holding(t *testing.T, user, body string) (n int) {
	t.Helper()
	files, err := filepath.Glob(d.dir + "/mail/" + user + "/new/*")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(body, "\r\n", "\n") + "\n"
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(string(b), want) {
			n++
		}
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	return n
}
