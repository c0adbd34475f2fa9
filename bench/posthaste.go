package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Posthaste measures `posthaste serve` of one binary.
type Posthaste struct {
	Binary string
	Label  string // Name; "" is "posthaste"
	// Extra is appended to the configuration.
	Extra string
}

// Name implements Subject.
func (p *Posthaste) Name() string {
	if p.Label != "" {
		return p.Label
	}
	return "posthaste"
}

// Available implements Subject.
func (p *Posthaste) Available() error {
	if fi, err := os.Stat(p.Binary); err != nil || fi.Mode()&0o111 == 0 {
		return fmt.Errorf("%s is no program: build it with `make build`", p.Binary)
	}
	return nil
}

// CanSign implements signer.
func (p *Posthaste) CanSign() error { return nil }

// Start implements Subject.
func (p *Posthaste) Start(ctx context.Context, set Setting) (*Running, error) {
	if err := os.MkdirAll(set.Dir, 0o755); err != nil {
		return nil, err
	}
	file := filepath.Join(set.Dir, "posthaste.toml")
	names, err := credentials(set.Inlet.Stock.Credentials)
	if err != nil {
		return nil, err
	}
	users, err := set.Inlet.Mailboxes.credentials()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, []byte(p.config(set)+names+users), 0o600); err != nil {
		return nil, err
	}
	return daemon(ctx, set, syscall.SIGTERM, p.Binary, "serve", "--config", file)
}

// config is the whole configuration: what differs from the defaults is what a bench needs, with
// the store, its fsync and the event log as in production.
func (p *Posthaste) config(set Setting) string {
	retry := max(set.Retry, time.Millisecond)
	dns, smartHost := set.DNS, ""
	if set.NextHop != "" {
		smartHost = fmt.Sprintf("smart_host = %q", set.NextHop)
	}
	if dns == "" {
		dns = "127.0.0.1:9"
	}
	keys, tables := set.Inlet.listener()
	tables += set.Inlet.Mailboxes.tables(set.IMAPPort)
	return strings.TrimLeft(fmt.Sprintf(`
hostname = "relay.bench.test"
data_dir = %[1]q
%[2]s

[[listener]]
name = "mx"
address = "127.0.0.1:%[3]d"
%[11]s
tls = "none"

[limits]
connections = 5000
connections_per_address = 5000
commands = 100000000

[dns]
servers = [%[4]q]
allow_private = ["127.0.0.0/8"]
ip = "ipv4"

[delivery]
port = %[5]d
connections = %[6]d
messages_per_connection = 0
chunking = %[7]t

[retry]
intervals = [%[8]q]
greylist_retry = %[8]q

[http]
address = ""

[control]
socket = %[9]q

[log]
level = "warn"
%[12]s%[10]s%[13]s`,
		filepath.Join(set.Dir, "data"), smartHost, set.Port, dns, max(1, set.DeliveryPort), max(1, set.Connections),
		!set.NoChunking, retry, filepath.Join(set.Dir, "ctl.sock"), p.Extra, keys, tables, signingTables(set.Signing)), "\n")
}

// External is a relay that runs already: nothing but its answers and what arrives can be measured.
type External struct{ Addr string }

// Name implements Subject.
func (e *External) Name() string { return e.Addr }

// Available implements Subject.
func (e *External) Available() error { return nil }

// Start implements Subject.
func (e *External) Start(context.Context, Setting) (*Running, error) {
	return &Running{Addr: e.Addr, Stop: func() error { return nil }}, nil
}

// Straight is no relay at all: the load goes straight into the sink. It shows what the bench
// itself can do.
type Straight struct{}

// Name implements Subject.
func (Straight) Name() string { return "straight" }

// Available implements Subject.
func (Straight) Available() error { return nil }

// Start implements Subject.
func (Straight) Start(_ context.Context, set Setting) (*Running, error) {
	addr := set.NextHop
	for _, a := range set.Table {
		if addr == "" {
			addr = a
		}
	}
	return &Running{Addr: addr, Stop: func() error { return nil }}, nil
}
