package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Exim measures Debian's Exim, installed or unpacked, with a queue of its own.
type Exim struct{}

// Name implements Subject.
func (Exim) Name() string { return "exim" }

// Available implements Subject.
func (Exim) Available() error {
	_, err := peerProgram("exim", "exim4-daemon-light", "/usr/sbin/exim4", "Debian-exim")
	return err
}

// peersFolder is where packages that cannot be installed beside each other are unpacked.
func peersFolder() string {
	if dir := os.Getenv("POSTHASTE_PEERS"); dir != "" {
		return dir
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "posthaste-peers")
}

// peerProgram finds a program of a package, unpacked or installed, and checks that its user is there.
func peerProgram(name, pkg, path, user string) (string, error) {
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("%s can be started by root only", name)
	}
	passwd, _ := os.ReadFile("/etc/passwd")
	hasUser := strings.HasPrefix(string(passwd), user+":") || strings.Contains(string(passwd), "\n"+user+":")
	for _, p := range []string{filepath.Join(peersFolder(), pkg, path), path} {
		if _, err := os.Stat(p); err == nil && hasUser {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s is missing: run `make deps-interop`", name)
}

// Start implements Subject.
func (e Exim) Start(ctx context.Context, set Setting) (*Running, error) {
	program, err := peerProgram("exim", "exim4-daemon-light", "/usr/sbin/exim4", "Debian-exim")
	if err != nil {
		return nil, err
	}
	for _, d := range []string{"spool", "eximlog"} {
		d = filepath.Join(set.Dir, d)
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
		if out, err := exec.CommandContext(ctx, "chown", "Debian-exim:", d).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("exim: chown: %w: %s", err, out)
		}
	}
	// Exim runs itself again under its own user, who may not reach the folder of unpacked packages.
	if program, err = copyProgram(program, filepath.Join(set.Dir, "exim4")); err != nil {
		return nil, err
	}
	conf := filepath.Join(set.Dir, "exim.conf")
	table := tableText(set.Table, func(domain, addr string) string {
		return fmt.Sprintf("%s: %s\n", domain, addr[:strings.LastIndexByte(addr, ':')])
	})
	err = errors.Join(
		os.WriteFile(filepath.Join(set.Dir, "routes"), []byte(table), 0o644),
		os.WriteFile(conf, []byte(eximConfig(program, set)), 0o644))
	if err != nil {
		return nil, err
	}
	retry := max(1, int(set.Retry/time.Second))
	return daemon(ctx, set, syscall.SIGTERM, program, "-C", conf, "-bdf", fmt.Sprintf("-q%ds", retry))
}

// copyProgram copies a program without its set-user-id bit.
func copyProgram(from, to string) (string, error) {
	b, err := os.ReadFile(from)
	if err != nil {
		return "", err
	}
	return to, os.WriteFile(to, b, 0o755)
}

// tableText writes a table in the order of its domains.
func tableText(table map[string]string, line func(domain, addr string) string) string {
	domains := make([]string, 0, len(table))
	for d := range table {
		domains = append(domains, d)
	}
	slices.Sort(domains)
	var b strings.Builder
	for _, d := range domains {
		b.WriteString(line(d, table[d]))
	}
	return b.String()
}

// eximConfig is Exim tuned for volume: deliveries start at once however many come on one
// connection, nothing is looked up, and there is no log file for each message.
func eximConfig(program string, set Setting) string {
	route, port := fmt.Sprintf("route_data = ${lookup{$domain}lsearch{%s/routes}}", set.Dir), fmt.Sprint(set.DeliveryPort)
	if set.NextHop != "" {
		host, p, _ := strings.Cut(set.NextHop, ":")
		route, port = "route_list = * "+host, p
	}
	return fmt.Sprintf(`primary_hostname = relay.bench.test
exim_path = %[1]s
spool_directory = %[2]s/spool
log_file_path = %[2]s/eximlog/%%slog
pid_file_path = %[2]s/eximlog/pid
keep_environment =
domainlist none =
acl_smtp_rcpt = accept
acl_smtp_data = accept
local_interfaces = 127.0.0.1
daemon_smtp_ports = %[3]d
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
disable_ipv6 = true
message_size_limit = 0
message_logs = false
split_spool_directory = true
smtp_accept_max = 0
smtp_connect_backlog = 1000
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0
smtp_enforce_sync = false
remote_max_parallel = %[4]d
queue_run_max = 1
deliver_drop_privilege = true
log_selector = -all
begin routers
all:
  driver = manualroute
  %[5]s
  host_find_failed = defer
  self = send
  transport = out
begin transports
out:
  driver = smtp
  port = %[6]s
  allow_localhost
  hosts_avoid_tls = *
  connection_max_messages = 1000
begin retry
* * F,5d,%[7]ds
`, program, set.Dir, set.Port, max(1, set.Connections), route, port, max(1, int(set.Retry/time.Second)))
}
