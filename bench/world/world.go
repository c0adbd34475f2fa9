// Package world is a small internet on loopback sockets: a DNS server and SMTP hosts that receive
// mail with manners of their own (greylisting, refusing, slow, flaky). `posthaste up` runs a relay
// against the sites of Village, so that mail really goes through MX lookup and SMTP while nothing leaves the machine;
// `posthaste bench` builds worlds of up to 100,000 domains with Town.
//
// A receiving host does as little as it can per message: it must never be what a benchmark
// measures.
package world

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"
)

// Config describes a world. Only Sites or CatchAll must be given.
type Config struct {
	// Sites are the receiving systems. A site's hosts get loopback addresses of their own.
	Sites []Site
	// CatchAll receives mail for every domain that no site names; nil: such domains do not
	// exist (NXDOMAIN).
	CatchAll *Site
	// Records are what else the DNS knows, as lines of a zone file: `ok.test. 300 IN TXT "v=spf1 -all"`.
	Records []string
	// Zones are domains with nothing below them but Records, whatever CatchAll says.
	Zones []string
	// Port is where all hosts listen, the same on each address; 0 picks a free one.
	Port uint16
	// DNSPort is where the DNS server listens on 127.0.0.1, UDP and TCP; 0 picks a free one.
	DNSPort uint16
	// MaxAddresses bounds the loopback addresses in use; more hosts than that share them in
	// turn. 0 means 256. With 1, or where 127.0.0.2 cannot be bound, all hosts share 127.0.0.1
	// and only the recipient's domain tells them apart.
	MaxAddresses int
	// MaxConnections bounds the open connections of all hosts; 0 means 10,000. More get a 421.
	MaxConnections int
	// MaxMessageBytes bounds one message; 0 means 64 MiB.
	MaxMessageBytes int
	// CaptureBytes bounds the newest messages kept for World.Captured; 0 keeps none.
	CaptureBytes int
	// Seed makes the random manners repeatable: the same sequence of recipients at a site meets
	// the same sequence of answers.
	Seed uint64
	// OnMessage is called for each message before its final 250 is written, from many
	// goroutines at once. The Message and its bytes are valid only until it returns.
	OnMessage func(*Message)
	// OnRefused is called for each recipient refused at RCPT, from many goroutines at once.
	OnRefused func(Refusal)
}

// Message is one accepted by a receiving host.
type Message struct {
	Host       string   // the host's name, such as mx1.ok.test
	Sender     string   // reverse-path without brackets
	Recipients []string // forward-paths without brackets, those that were accepted
	Content    []byte   // dot-unstuffed
	TLS        bool
	Time       time.Time
}

// Refusal is one recipient refused at RCPT.
type Refusal struct {
	Host, Recipient string
	Code            int
}

// World is running until Stop.
type World struct {
	cfg     Config
	cert    *tls.Config
	bySite  map[string]*site // recipient domain to site
	catch   *site
	hosts   []*host
	byName  map[string]*host
	records records
	dns     *dnsServer
	port    uint16
	shared  bool // all hosts on 127.0.0.1
	capture capture
	stats   counters

	mu     sync.Mutex
	conns  map[net.Conn]struct{} // nil once stopping
	closed bool
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Start binds all sockets and serves until Stop is called or ctx ends.
func Start(ctx context.Context, cfg Config) (*World, error) {
	cfg.setDefaults()
	w := &World{cfg: cfg, conns: map[net.Conn]struct{}{}, capture: capture{limit: cfg.CaptureBytes}}
	w.settle()
	var err error
	if w.records, err = readRecords(cfg.Records, cfg.Zones); err != nil {
		return nil, err
	}
	cert, err := selfSigned(w.hosts)
	if err != nil {
		return nil, fmt.Errorf("world: certificate: %w", err)
	}
	w.cert = cert
	listeners, err := w.listen()
	if err != nil {
		return nil, err
	}
	w.ctx, w.cancel = context.WithCancel(ctx)
	w.dns, err = startDNS(w, cfg.DNSPort)
	if err != nil {
		for _, l := range listeners {
			l.Close()
		}
		w.cancel()
		return nil, err
	}
	for _, l := range listeners {
		w.wg.Go(func() { w.serve(l) })
	}
	context.AfterFunc(w.ctx, func() {
		for _, l := range listeners {
			l.Close()
		}
		w.dns.stop()
		w.closeConns()
	})
	return w, nil
}

// Stop closes all sockets and returns when every connection has ended.
func (w *World) Stop() {
	w.cancel()
	w.closeConns()
	w.wg.Wait()
	w.dns.stop()
}

// DNSAddr is the DNS server as host:port.
func (w *World) DNSAddr() string { return w.dns.addr }

// Port is the port that every host listens on: the relay's delivery port.
func (w *World) Port() uint16 { return w.port }

// HostAddr is the address of the named host, such as "mx1.ok.test", as host:port; "" if there is
// no such host.
func (w *World) HostAddr(name string) string {
	h := w.byName[name]
	if h == nil {
		return ""
	}
	return h.addr.String()
}

// Shared tells that all hosts are on one address, because others could not be bound.
func (w *World) Shared() bool { return w.shared }

func (w *World) track(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.conns) >= w.cfg.MaxConnections {
		return false
	}
	w.conns[c] = struct{}{}
	w.stats.peak(len(w.conns))
	return true
}

func (w *World) untrack(c net.Conn) {
	w.mu.Lock()
	delete(w.conns, c)
	w.mu.Unlock()
}

func (w *World) closeConns() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for c := range w.conns {
		c.Close()
	}
}

func (c *Config) setDefaults() {
	if c.MaxAddresses == 0 {
		c.MaxAddresses = 256
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = 10_000
	}
	if c.MaxMessageBytes == 0 {
		c.MaxMessageBytes = 64 << 20
	}
}
