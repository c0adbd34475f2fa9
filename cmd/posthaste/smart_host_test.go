package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/smtp/smtptest"
)

// inProcess runs a daemon by a configuration file in dir until the test ends.
func inProcess(t *testing.T, dir, config string) *daemon {
	t.Helper()
	file := filepath.Join(dir, "posthaste.toml")
	write(t, file, []byte(fmt.Sprintf("data_dir = %q\ncontrol.socket = %q\nhttp.address = \"\"\nqueue.min_free_disk = 0\n%s",
		filepath.Join(dir, "data"), filepath.Join(dir, "ctl.sock"), config)))
	cfg, _, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDaemon(cfg, file, zap.NewNop(), daemonOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx, context.Background()) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return d
}

// Of two daemons, one is the other's provider, which only mail with a login may pass. A wrong password makes mail wait,
// and once it is mended the mail goes, by implicit TLS and by STARTTLS.
func TestSmartHostWithLogin(t *testing.T) {
	world := smtptest.Start(t, "")
	pair := makePair(t, t.TempDir(), "provider", time.Now().Add(time.Hour), "provider.test")
	provider := inProcess(t, t.TempDir(), fmt.Sprintf(`hostname = "provider.test"
smart_host = %q
relay.networks = []
[[credential]]
name = "ann"
secret_file = %q
senders = ["home.test"]
[[listener]]
name = "starttls"
address = "127.0.0.1:0"
kind = "submission"
tls = "starttls"
auth = "required"
cert = %[3]q
key = %[4]q
[[listener]]
name = "implicit"
address = "127.0.0.1:0"
kind = "submission"
tls = "implicit"
auth = "required"
cert = %[3]q
key = %[4]q
`, world.Addr(), secretFile(t, "correct horse battery"), pair.cert, pair.key))
	for i, kind := range []string{"starttls", "implicit"} {
		t.Run(kind, func(t *testing.T) {
			password := secretFile(t, "wrong horse battery")
			home := inProcess(t, t.TempDir(), fmt.Sprintf(`hostname = "home.test"
smart_host = %q
[[listener]]
address = "127.0.0.1:0"
[retry]
intervals = ["1h"]
[[login]]
user = "ann"
password_file = %q
tls = %q
insecure = true # its certificate is nobody's
`, provider.doors[i].sockets[0].Addr(), password, kind))
			if err := sendThrough(home.doors[0].sockets[0].Addr(), "ann@home.test", kind+"@world.test"); err != nil {
				t.Fatal(err)
			}
			const said = `"content":"cannot log in to [127.0.0.1] as ann: the host says 535 5.7.8`
			eventually(t, "the deferral", func() bool { return strings.Contains(eventLog(home), said) })
			if strings.Contains(eventLog(home), `"bounced"`) {
				t.Error("it came back")
			}
			write(t, password, []byte("correct horse battery\n"))
			home.reload() // if it fails, the mail stays where it is
			if _, err := home.relay.Retry(t.Context(), queue.Filter{}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the delivery", func() bool {
				for _, m := range world.Messages() {
					if m.Recipients[0].Address == kind+"@world.test" {
						return true
					}
				}
				return false
			})
			eventually(t, "its event", func() bool {
				log := eventLog(home)
				return strings.Contains(log, `"delivered"`) && strings.Contains(log, "ESMTPSA") && strings.Contains(log, "SCRAM-SHA-256")
			})
		})
	}
}

func secretFile(t *testing.T, secret string) string {
	file := filepath.Join(t.TempDir(), "secret")
	write(t, file, []byte(secret+"\n"))
	return file
}

func sendThrough(addr net.Addr, from, to string) error {
	c, err := gosmtp.Dial(addr.String())
	if err != nil {
		return err
	}
	defer c.Close()
	return c.SendMail(from, []string{to}, strings.NewReader("From: "+from+"\r\nSubject: x\r\n\r\nhello\r\n"))
}

func eventLog(d *daemon) string {
	if err := d.events.Flush(); err != nil {
		return err.Error()
	}
	text, err := os.ReadFile(d.cfg.Events.Path)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
