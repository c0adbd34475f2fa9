//go:build interop

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const dovecotAuth = `base_dir = %[1]s/run
state_dir = %[1]s/run
log_path = %[1]s/log
protocols =
ssl = no
auth_mechanisms = %[2]s
passdb {
  driver = passwd-file
  args = %[1]s/users
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=%[1]s
}
service anvil {
  chroot =
}
service auth {
  inet_listener {
    address = 127.0.0.1
    port = %[3]d
  }
}
`

// startDovecotAuth runs Dovecot's authentication for others, with ann's password, and returns its port.
func startDovecotAuth(t *testing.T, mechanism, password string) int {
	t.Helper()
	needRoot(t)
	dir, port := shortDir(t), freePort(t)
	putFile(t, filepath.Join(dir, "users"), "ann@home.test:{PLAIN}"+password+"\n")
	config := putFile(t, filepath.Join(dir, "dovecot.conf"), fmt.Sprintf(dovecotAuth, dir, mechanism, port))
	c := spawn(t, program(t, "dovecot"), "-F", "-c", config)
	awaitAddress(t, fmt.Sprintf("127.0.0.1:%d", port), func() string {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return c.output() + string(log)
	})
	return port
}

// Postfix, which asks Dovecot who we are, is a smart host for those who log in. It is shown a wrong password first.
func TestInteropSmartHostLogin(t *testing.T) {
	t.Parallel()
	const secret = "correct horse+battery/staple"
	for _, mechanism := range []string{"scram-sha-256", "plain", "login"} {
		t.Run(mechanism, func(t *testing.T) {
			auth, port := startDovecotAuth(t, mechanism, secret), freePort(t)
			password := putFile(t, filepath.Join(t.TempDir(), "password"), "wrong horse\n")
			r := startRelay(t, fmt.Sprintf(`smart_host = "127.0.0.1:%d"
retry.intervals = ["1h"]
[[login]]
user = "ann@home.test"
password_file = %q
insecure = true # its certificate names another host
`, port, password))
			s := startPostfixWith(t, port, r, fmt.Sprintf(`smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:%d
smtpd_tls_auth_only = yes
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
`, auth))
			post(t, r.mx, "ann@home.test", "", "Subject: by "+mechanism+"\r\n\r\nhello\r\n", "bob@home.test")
			if e := r.await(t, "deferred", "bob@home.test"); !strings.Contains(e.String(), "451 4.7.8 cannot log in to [127.0.0.1] as ann@home.test: the host says 535") {
				t.Errorf("with a wrong password: %s", e)
			}
			putFile(t, password, secret+"\n")
			for _, command := range [][]string{{"reload"}, {"queue", "retry", "--yes"}} {
				if out, code := r.command(t, command...); code != 0 {
					t.Fatalf("%s: exit code %d\n%s", command, code, out)
				}
			}
			if e := r.await(t, "delivered", "bob@home.test"); e.Delivery != "ESMTPSA" {
				t.Errorf("delivered by %s", e.Delivery)
			}
			s.messageWith(t, "Subject: by "+mechanism)
			if want := "sasl_method=" + strings.ToUpper(mechanism) + ", sasl_username=ann@home.test"; !strings.Contains(s.log(), want) {
				t.Errorf("no %q in what postfix says", want)
			}
		})
	}
}
