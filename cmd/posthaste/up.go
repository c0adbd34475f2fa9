package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/smtp"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"go.uber.org/zap"
	"golang.org/x/term"

	"github.com/posthaste-mta/posthaste/bench/world"
	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/relay"
)

// The user that up has, with a mailbox and a login.
const (
	upDomain = "mail.test"
	upLogin  = "demo@" + upDomain
	upSecret = "posthaste-demo"
)

// upCmd is `posthaste up`.
type upCmd struct {
	Data    string `default:"./data" placeholder:"DIR" help:"Where the queue lives (default ./data)."`
	Address string `default:"127.0.0.1" placeholder:"IP" help:"Where to listen (default 127.0.0.1)."`
	Samples bool   `default:"true" negatable:"" help:"Send sample messages at the start."`
}

// Help is the long help.
func (upCmd) Help() string {
	return `Runs a whole relay with a small world around it, in one process: a name server and receiving
hosts on loopback sockets. Nothing leaves the machine. Mail to these domains meets hosts with manners:

  ok.test        takes everything             reject.test    knows nobody: 550
  greylist.test  451 first, 5 s later yes     full.test      mailbox full: 452
  slow.test      answers after a second       flaky.test     hangs up, or 451, now and then
  defer.test     never now: 451               any other      is captured
  mail.test      is here: the mailbox of demo@mail.test, which IMAP and POP3 show

One line is printed for each thing that happens to a message. Ctrl-C ends; the queue stays in
the data folder and goes on with the next start.`
}

// Run runs until Ctrl-C.
func (c *upCmd) Run(p process) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sites, catchAll := world.Village()
	w, err := world.Start(ctx, world.Config{Sites: sites, CatchAll: catchAll, CaptureBytes: 16 << 20, Seed: uint64(time.Now().UnixNano())})
	if err != nil {
		return withCode(exitUnavailable, fmt.Errorf("the small world does not start: %w", err))
	}
	defer w.Stop()
	cfg := c.config(w)
	log, err := newLogger(cfg)
	if err != nil {
		return err
	}
	color := false
	if f, ok := p.stdout.(*os.File); ok {
		color = term.IsTerminal(int(f.Fd()))
	}
	signals := catchSignals()
	defer signal.Stop(signals)
	d, err := newDaemon(cfg, "", log, daemonOptions{
		sinks: []relay.EventSink{{Writer: p.stdout, Format: relay.FormatText, Color: color}},
		// To try logins with. Whoever else gets at it can send mail to nowhere.
		credentials: []auth.ReadOnly{{Credential: auth.Credential{Name: upLogin, Senders: []string{"*"}}, Secret: upSecret}},
	})
	if err != nil {
		return withCode(exitUnavailable, err)
	}
	if err := d.mailboxes.store.Add(ctx, upLogin, int64(cfg.Mailbox.Quota)); err != nil && !errors.Is(err, mailbox.ErrExists) {
		return withCode(exitUnavailable, errors.Join(err, d.close()))
	}
	c.greet(p.stdout, cfg)
	if c.Samples {
		go func() { // ends with its few messages, each bounded by a deadline
			if err := sendSamples(net.JoinHostPort(c.Address, "2525")); err != nil {
				log.Warn("sample messages", zap.Error(err))
			}
		}()
	}
	return runDaemon(d, signals)
}

// config is the embedded configuration: everything below the data folder and on loopback.
func (c *upCmd) config(w *world.World) *Config {
	cfg := DefaultConfig()
	cfg.Hostname = "relay.posthaste.test"
	cfg.DataDir = c.Data
	normalise := "normalise"
	cfg.Listeners = []Listener{
		{Name: "mx", Address: net.JoinHostPort(c.Address, "2525"), Kind: "mx"},
		// Who tries it by hand types lines that end in LF.
		{Name: "submission", Address: net.JoinHostPort(c.Address, "2587"), Kind: "submission", AuthInsecure: true, Limits: ListenerLimits{BareLF: &normalise}},
		{Name: "imap", Address: net.JoinHostPort(c.Address, "2143"), Kind: "imap", AuthInsecure: true},
		{Name: "pop3", Address: net.JoinHostPort(c.Address, "2110"), Kind: "pop3", AuthInsecure: true},
	}
	cfg.Mailbox.Domains = []string{upDomain}
	cfg.Mailbox.Memory = 16 << 20
	cfg.DNS.Servers = []string{w.DNSAddr()}
	cfg.DNS.AllowPrivate = []Prefix{{netip.MustParsePrefix("127.0.0.0/8")}}
	cfg.DNS.MinTTL = Duration{time.Second}
	cfg.Delivery.Port = int(w.Port())
	cfg.Retry.Intervals = []Duration{{10 * time.Second}, {30 * time.Second}, {time.Minute}, {5 * time.Minute}}
	cfg.Retry.GreylistRetry = Duration{6 * time.Second}
	cfg.Queue.Memory = 64 << 20
	cfg.HTTP.Address = net.JoinHostPort(c.Address, "8025")
	cfg.Control.Socket = filepath.Join(c.Data, "ctl.sock")
	cfg.Shutdown.Drain = Duration{2 * time.Second}
	cfg.Log.Level = "warn"
	cfg.complete()
	return cfg
}

// greet says where things are and how to send a message of one's own.
func (c *upCmd) greet(out io.Writer, cfg *Config) {
	fmt.Fprintf(out, `posthaste is up. SMTP on %[1]s:2525 and :2587, IMAP on :2143, POP3 on :2110,
metrics and health on http://%[2]s
Nothing leaves this machine: every domain is played by a small world in this process.

Send yourself a message from another terminal, and read it over IMAP or POP3:
  printf 'Subject: hi\r\n\r\nhello\r\n' | curl -sS smtp://%[1]s:2587 --mail-from %[6]s --mail-rcpt %[6]s -T -
  curl -sS 'imap://%[1]s:2143/INBOX;MAILINDEX=*' -u %[6]s:%[7]s
  curl -sS pop3://%[1]s:2110/1 -u %[6]s:%[7]s
What cannot be delivered comes back there:
  printf 'Subject: hi\r\n\r\nhello\r\n' | curl -sS smtp://%[1]s:2587 --mail-from %[6]s --mail-rcpt bob@reject.test -T -
Or send it elsewhere:
  swaks --server %[1]s:2525 --to bob@greylist.test
  swaks --server %[1]s:2587 --auth-user %[6]s --auth-password %[7]s --to bob@ok.test
  printf 'Subject: hi\n\nhello\n' | bin/posthaste sendmail -S %[3]s bob@ok.test
See what waits:  bin/posthaste queue list --socket %[4]s
Make a mailbox:  bin/posthaste user add ann@%[8]s --socket %[4]s
Give an app a login:  bin/posthaste credential add shop --sender shop.test --socket %[4]s
Ctrl-C ends; what is queued stays in %[5]s.

`, c.Address, cfg.HTTP.Address, net.JoinHostPort(c.Address, "2587"), cfg.Control.Socket, c.Data, upLogin, upSecret, upDomain)
}

// sendSamples sends one message to each kind of host, as an application would. The bounce of the one to reject.test comes back to
// the user.
func sendSamples(server string) error {
	for i, to := range []string{upLogin, "ann@ok.test", "bob@greylist.test", "carol@reject.test", "dave@full.test", "erin@anywhere.example"} {
		body := "From: Demo <" + upLogin + ">\r\nTo: " + to + "\r\nSubject: Sample " + strconv.Itoa(i+1) + "\r\n\r\nHello from posthaste.\r\n"
		if err := smtp.SendMail(server, nil, upLogin, []string{to}, []byte(body)); err != nil {
			return fmt.Errorf("to %s: %w", to, err)
		}
	}
	return nil
}
