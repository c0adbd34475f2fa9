package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// OpenSMTPD measures Debian's OpenSMTPD, installed or unpacked. Its queue's folder is compiled in, so it
// runs in a mount name space in which that folder is one of the bench's.
type OpenSMTPD struct{}

// Name implements Subject.
func (OpenSMTPD) Name() string { return "opensmtpd" }

// Available implements Subject.
func (OpenSMTPD) Available() error {
	_, err := peerProgram("opensmtpd", "opensmtpd", "/usr/sbin/smtpd", "opensmtpd")
	return err
}

// Start implements Subject.
func (OpenSMTPD) Start(ctx context.Context, set Setting) (*Running, error) {
	program, err := peerProgram("opensmtpd", "opensmtpd", "/usr/sbin/smtpd", "opensmtpd")
	if err != nil {
		return nil, err
	}
	for _, d := range []string{"spool/smtpd", "lib/opensmtpd/empty", "run"} {
		if err := os.MkdirAll(filepath.Join(set.Dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(filepath.Join(set.Dir, "spool/smtpd"), 0o711); err != nil { // it insists
		return nil, err
	}
	conf := filepath.Join(set.Dir, "smtpd.conf")
	table := tableText(set.Table, func(domain, addr string) string { return domain + " smtp://" + addr + "\n" })
	if err := os.WriteFile(filepath.Join(set.Dir, "routes"), []byte(table), 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(conf, []byte(opensmtpdConfig(set)), 0o644); err != nil {
		return nil, err
	}
	script := `mount --bind "$1/spool" /var/spool && mount --bind "$1/lib" /var/lib && mount --bind "$1/run" /run && exec "$2" -d -f "$3"`
	return daemon(ctx, set, syscall.SIGTERM, "unshare", "--mount", "--propagation", "private",
		"sh", "-c", script, "sh", set.Dir, program, conf)
}

func opensmtpdConfig(set Setting) string {
	relay := fmt.Sprintf("table routes file:%s/routes\naction out relay domain <routes>", set.Dir)
	if set.NextHop != "" {
		relay = "action out relay host smtp://" + set.NextHop
	}
	n := max(1, set.Connections)
	limits := []string{"max-conn-per-host", "max-conn-per-route", "max-conn-per-relay", "max-conn-per-domain"}
	var b strings.Builder
	fmt.Fprintf(&b, "smtp max-message-size 100M\nsmtp limit max-mails 1000000\nsmtp limit max-rcpt 10000\n")
	for _, l := range limits {
		fmt.Fprintf(&b, "mta limit %s %d\n", l, n)
	}
	fmt.Fprintf(&b, "mta limit max-conn-per-connector 2000\nmta limit max-conn-per-source 2000\nscheduler limit max-inflight 20000\n")
	fmt.Fprintf(&b, "listen on 127.0.0.1 port %d hostname relay.bench.test\n%s\nmatch from any for any action out\n", set.Port, relay)
	return b.String()
}
