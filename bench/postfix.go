package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Postfix measures Debian's Postfix in an instance of its own: configuration, queue and data
// below the bench's folder. It must be started by root, for Postfix changes to its own users.
type Postfix struct{}

const (
	postfixCommand = "/usr/sbin/postfix"
	postfixDaemons = "/usr/lib/postfix/sbin"
)

// Name implements Subject.
func (Postfix) Name() string { return "postfix" }

// Available implements Subject.
func (Postfix) Available() error {
	if _, err := os.Stat(postfixCommand); err != nil {
		return errors.New("postfix is not installed: apt-get install postfix")
	}
	if os.Geteuid() != 0 {
		return errors.New("postfix can be started by root only")
	}
	return nil
}

// CanSign implements signer.
func (Postfix) CanSign() error {
	if _, err := os.Stat(opendkimProgram); err != nil {
		return errors.New("postfix signs by opendkim, which is not installed: apt-get install opendkim")
	}
	return nil
}

// Start implements Subject.
func (Postfix) Start(ctx context.Context, set Setting) (*Running, error) {
	dir := set.Dir
	conf := filepath.Join(dir, "etc")
	for _, d := range []string{conf, filepath.Join(dir, "spool"), filepath.Join(dir, "lib")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	g := NewGroup()
	milters, err := startOpenDKIMs(ctx, set, g)
	if err != nil {
		g.Close()
		return nil, err
	}
	r, err := startPostfix(ctx, set, conf, postfixMain(set)+milters.settings(), g)
	if err != nil {
		milters.stop()
		g.Close()
		return nil, err
	}
	r.Stop = func() error {
		defer g.Close()
		defer milters.stop()
		return stopPostfix(conf)
	}
	return r, nil
}

// startPostfix writes the configuration and starts Postfix alone.
func startPostfix(ctx context.Context, set Setting, conf, main string, g *Group) (*Running, error) {
	dir := set.Dir
	files := map[string]string{"main.cf": main, "master.cf": postfixMaster(set.Port), "transport": postfixTransport(set)}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(conf, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	if out, err := exec.CommandContext(ctx, "chown", "postfix", filepath.Join(dir, "lib")).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("postfix: chown: %w: %s", err, out)
	}
	if out, err := exec.CommandContext(ctx, "/usr/sbin/postmap", "-c", conf, filepath.Join(conf, "transport")).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("postfix: postmap: %w: %s", err, out)
	}
	cmd := exec.CommandContext(ctx, postfixCommand, "-c", conf, "start")
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	g.Attach(cmd.SysProcAttr)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("postfix start: %w: %s", err, out)
	}
	r := &Running{Addr: loopback(set.Port), Group: g}
	if err := waitListening(ctx, r.Addr, nil); err != nil {
		_ = stopPostfix(conf)
		return nil, fmt.Errorf("postfix: %w: %s", err, out)
	}
	pid, err := os.ReadFile(filepath.Join(dir, "spool/pid/master.pid"))
	if err == nil {
		r.Pid, _ = strconv.Atoi(strings.TrimSpace(string(pid)))
		g.SetRoot(r.Pid)
	}
	return r, nil
}

func stopPostfix(conf string) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	// "stop" lets deliveries in flight end; the mail stays in the queue as after any shutdown.
	out, err := exec.CommandContext(ctx, postfixCommand, "-c", conf, "stop").CombinedOutput()
	if err != nil {
		out, err = exec.CommandContext(ctx, postfixCommand, "-c", conf, "abort").CombinedOutput()
	}
	if err != nil {
		return fmt.Errorf("postfix stop: %w: %s", err, out)
	}
	return nil
}

// postfixMain is Postfix tuned for volume: no look-ups that cost a round trip, no throttle between
// its own parts, and concurrency to the next hop from the start. Its fsyncs stay.
func postfixMain(set Setting) string {
	retry := max(1, int(set.Retry.Round(time.Second)/time.Second))
	next := ""
	if set.NextHop != "" {
		next = "default_transport = smtp:" + bracketed(set.NextHop)
	}
	chunking := ""
	if set.NoChunking {
		chunking = "smtp_discard_ehlo_keywords = chunking"
	}
	return fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/spool
data_directory = %[1]s/lib
command_directory = /usr/sbin
daemon_directory = %[2]s
mail_owner = postfix
setgid_group = postdrop
myhostname = relay.bench.test
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
smtpd_tls_security_level = none
smtp_tls_security_level = none
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_bind_address = 127.0.0.1
notify_classes =
biff = no
message_size_limit = 0
mailbox_size_limit = 0
local_header_rewrite_clients =
append_dot_mydomain = no
swap_bangpath = no
allow_percent_hack = no
enable_original_recipient = no
fast_flush_domains =
smtputf8_enable = no
default_process_limit = 300
max_use = 100000
smtpd_client_connection_count_limit = 0
in_flow_delay = 0
qmgr_message_active_limit = 200000
qmgr_message_recipient_limit = 200000
default_destination_concurrency_limit = %[3]d
initial_destination_concurrency = %[3]d
smtp_connection_cache_on_demand = yes
smtp_connection_reuse_count_limit = 1000
default_destination_concurrency_failed_cohort_limit = 0
minimal_backoff_time = %[4]ds
maximal_backoff_time = %[4]ds
queue_run_delay = %[4]ds
transport_maps = hash:%[1]s/etc/transport
%[5]s
%[6]s
`, set.Dir, postfixDaemons, max(1, set.Connections), retry, next, chunking)
}

// postfixMaster is Debian's service table without what a relay does not need, without chroot (which
// would only add to the set-up).
func postfixMaster(port int) string {
	return fmt.Sprintf(`127.0.0.1:%d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
`, port)
}

func postfixTransport(set Setting) string {
	if set.NextHop != "" {
		return ""
	}
	return tableText(set.Table, func(domain, addr string) string { return domain + " smtp:" + bracketed(addr) + "\n" })
}

// bracketed writes host:port as [host]:port, which keeps Postfix from looking up MX records.
func bracketed(hostPort string) string {
	i := strings.LastIndexByte(hostPort, ':')
	return "[" + hostPort[:i] + "]" + hostPort[i:]
}
