package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/mailbox/pop3"
	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/policy/store"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/relay"
	"github.com/posthaste-mta/posthaste/resolver"
	"github.com/posthaste-mta/posthaste/smtp"
)

// daemon is a running relay with all its engines, for serve and up.
type daemon struct {
	cfg        *Config
	path       string // of the configuration file; "" when there is none to read again
	log        *zap.Logger
	queue      *queue.Queue
	store      *store.Store // what policy keeps
	mailboxes  *mailboxes   // nil: no local domains
	engines    *engines
	screens    *screens
	resolver   *resolver.Resolver
	events     *relay.EventLog
	book       *auth.Book // who may log in
	auth       *auth.Authenticator
	relay      *relay.Relay
	doors      []*door
	mailDoors  []*mailDoor
	mailMemory *pop3.Memory // of messages on their way to clients
	office     *office      // the HTTP listener and the control socket
	guide      *guide       // where mail programs ask

	certificates *certificates

	reloading sync.Mutex
}

// door is one SMTP listener with its server.
type door struct {
	Listener
	sockets []net.Listener // several only when systemd opened them
	server  *smtp.Server
}

// daemonOptions is what up has that serve has not.
type daemonOptions struct {
	sinks []relay.EventSink
	// positions are those of the configuration, for what is found wrong with keys; the zero value if it is no file's.
	positions Positions
	// credentials are beside those of the configuration.
	credentials []auth.ReadOnly
}

// newDaemon builds every engine and binds every socket, in the order in which they need each other. On an
// error nothing is left open.
func newDaemon(cfg *Config, path string, log *zap.Logger, opt daemonOptions) (d *daemon, err error) {
	d = &daemon{cfg: cfg, path: path, log: log, mailMemory: pop3.NewMemory(pop3.DefaultMemory)}
	tuneMemory(cfg)
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return d, fmt.Errorf("data_dir: %w", err)
	}
	if d.queue, err = queue.Open(queueOptions(cfg, log)); err != nil {
		return d, err
	}
	if d.store, err = store.Open(store.Options{Dir: filepath.Join(cfg.DataDir, policyFolder), Log: log.Named("policy")}); err != nil {
		return d, err
	}
	if d.mailboxes, err = openMailboxes(cfg, log); err != nil {
		return d, err
	}
	if d.engines, err = openEngines(cfg, d.store, log); err != nil {
		return d, err
	}
	if d.resolver, err = resolver.New(resolverConfig(cfg)); err != nil {
		return d, err
	}
	if d.screens, err = openScreens(cfg, d.store, d.resolver, log); err != nil {
		return d, err
	}
	events := eventLogOptions(cfg, log)
	events.Sinks = append(events.Sinks, opt.sinks...)
	if d.events, err = relay.OpenEventLog(events); err != nil {
		return d, err
	}
	policy, err := relayPolicy(cfg)
	if err != nil {
		return d, err
	}
	if policy.DKIM, err = loadSigning(cfg, &opt.positions); err != nil {
		return d, err
	}
	if err := d.openBook(opt.credentials); err != nil {
		return d, err
	}
	policy.Auth = d.auth
	if err := d.engines.apply(cfg, &policy); err != nil {
		return d, err
	}
	if err := d.screens.apply(cfg, &policy); err != nil {
		return d, err
	}
	if err := d.mailboxes.apply(cfg, &policy); err != nil {
		return d, err
	}
	d.relay = relay.New(relay.Config{
		Hostname: cfg.Hostname, Queue: d.queue, Router: d.resolver, Events: d.events,
		Log: log.Named("relay"), MaxConnections: cfg.Delivery.MaxConnections, Memory: int64(cfg.Delivery.Memory),
	}, policy)
	if d.guide, err = openGuide(cfg, log); err != nil {
		return d, err
	}
	if d.certificates, err = openCertificates(cfg, log); err != nil {
		return d, err
	}
	d.guide.secure(d.certificates.of(cfg.Autoconfig.listener()))
	if err := d.openDoors(); err != nil {
		return d, err
	}
	d.office, err = openOffice(d)
	return d, err
}

// tuneMemory lets the garbage collector run less often than Go's default, which suits programs with more to keep
// than ours: what lives long is in the store's memory, outside the heap. The limit keeps the heap from using
// that to grow far beyond what the configuration grants. Go's own variables, where set, win.
func tuneMemory(cfg *Config) {
	const (
		heapOnTop        = 256 << 20
		mailServerMemory = imapMemory + pop3.DefaultMemory
	)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		limit := cfg.Queue.Memory + cfg.Limits.MessageMemory + cfg.Delivery.Memory + heapOnTop
		if len(cfg.Mailbox.Domains) > 0 {
			limit += 5*cfg.Mailbox.Memory + mailServerMemory // the store's caches, and its indexes of open folders
		}
		debug.SetMemoryLimit(int64(limit))
	}
}

func (d *daemon) openDoors() error {
	memory := smtp.NewBudget(int64(d.cfg.Limits.MessageMemory))
	passed, err := passedListeners()
	if err != nil {
		return err
	}
	for _, l := range d.cfg.Listeners {
		if l.readsMail() {
			sockets, err := l.bind(passed)
			if err != nil {
				return fmt.Errorf("listener %s: %w", l.Name, err)
			}
			d.mailDoors = append(d.mailDoors, d.mailDoor(l, sockets))
			continue
		}
		door := &door{Listener: l}
		if door.sockets, err = l.bind(passed); err != nil {
			return fmt.Errorf("listener %s: %w", l.Name, err)
		}
		d.doors = append(d.doors, door)
		door.server = &smtp.Server{
			Backend: &relay.Intake{
				Relay: d.relay, Submission: l.Kind == "submission", Tenant: l.Tenant, Class: classOf(l.Class), Unsigned: l.DKIM == "none", Strangers: l.Inbound == "check",
				Auth: authModeOf(l.Auth), Memory: memory,
			},
			Config: serverConfig(d.cfg, l, d.certificates.of(l), memory, d.log),
		}
	}
	return nil
}

// bind opens the listener's socket, or takes those that systemd passed for it.
func (l *Listener) bind(passed map[string][]net.Listener) ([]net.Listener, error) {
	if l.Address != "systemd" {
		socket, err := net.Listen("tcp", l.Address)
		return []net.Listener{socket}, err
	}
	if len(passed[l.Name]) == 0 {
		return nil, errors.New("systemd passed no socket of that FileDescriptorName")
	}
	return passed[l.Name], nil
}

// run serves until ctx ends, then ends in order: no new mail, what is being received and delivered may come to
// its end within the drain time, everything else waits in the queue for the next start. A second
// end, of hurry, cuts the drain time short.
func (d *daemon) run(ctx, hurry context.Context) error {
	var work sync.WaitGroup
	failed := make(chan error, 64)
	for _, door := range d.doors {
		for _, socket := range door.sockets {
			work.Go(func() {
				if err := door.server.Serve(socket); !errors.Is(err, smtp.ErrServerClosed) {
					failed <- fmt.Errorf("listener %s: %w", door.Name, err)
				}
			})
		}
	}
	d.serveMail(&work, failed)
	work.Go(func() { d.office.serve(failed) })
	for _, serve := range d.guide.servers(failed) {
		work.Go(serve)
	}
	relaying, stopRelaying := context.WithCancel(context.Background())
	defer stopRelaying()
	work.Go(func() {
		if err := d.relay.Run(relaying, d.cfg.Shutdown.Drain.Duration); err != nil {
			failed <- err
		}
	})

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	case <-d.queue.Failed():
		err = d.queue.Err()
	case <-d.store.Failed():
		err = d.store.Err()
	}
	d.log.Info("ending", zap.Duration("drain", d.cfg.Shutdown.Drain.Duration), zap.Error(err))
	drain, cancel := context.WithTimeout(hurry, d.cfg.Shutdown.Drain.Duration)
	defer cancel()
	d.closeDoors(drain)
	stopRelaying()
	stop := context.AfterFunc(hurry, d.relay.Abort)
	defer stop()
	d.office.stop()
	d.guide.close()
	d.closeMailDoors(drain)
	work.Wait()
	return errors.Join(err, d.close())
}

// closeDoors stops taking mail. Transactions under way may end, for as long as ctx lasts.
func (d *daemon) closeDoors(ctx context.Context) {
	var closing sync.WaitGroup
	for _, door := range d.doors {
		closing.Go(func() {
			if err := door.server.Shutdown(ctx); err != nil {
				d.log.Warn("connections cut at the end", zap.String("listener", door.Name), zap.Error(err))
			}
		})
	}
	closing.Wait()
}

// close frees what newDaemon made, in the opposite order.
func (d *daemon) close() error {
	var errs []error
	if d.office != nil {
		d.office.close()
	}
	if d.guide != nil {
		d.guide.close()
	}
	for _, door := range d.doors {
		for _, socket := range door.sockets {
			if socket != nil {
				socket.Close()
			}
		}
	}
	d.cutMailDoors()
	if d.certificates != nil {
		d.certificates.close()
	}
	if d.events != nil {
		errs = append(errs, d.events.Close())
	}
	if d.screens != nil {
		errs = append(errs, d.screens.close())
	}
	if d.resolver != nil {
		errs = append(errs, d.resolver.Close())
	}
	if d.engines != nil {
		errs = append(errs, d.engines.close())
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	if d.queue != nil {
		errs = append(errs, d.queue.Close())
	}
	errs = append(errs, d.mailboxes.close())
	return errors.Join(errs...)
}

// reload reads the configuration again and puts in force what can change while running: limits of delivery,
// retry schedules, routes, access, credentials, sources, keys that sign, and certificates. On any error nothing changes.
// It returns the keys whose change waits for a restart.
func (d *daemon) reload() (restart []string, err error) {
	d.reloading.Lock() // SIGHUP and the control socket may ask at the same time
	defer d.reloading.Unlock()
	if d.path == "" {
		return nil, errors.New("there is no configuration file to read again")
	}
	cfg, pos, err := LoadConfig(d.path)
	if err != nil {
		return nil, err
	}
	policy, err := relayPolicy(cfg)
	if err != nil {
		return nil, err
	}
	policy.Auth = d.auth
	credentials, err := credentialsOf(cfg)
	if err != nil {
		return nil, err
	}
	if policy.DKIM, err = loadSigning(cfg, pos); err != nil {
		return nil, err
	}
	// First what the check of the configuration cannot have seen: a credential may have the name of one in the store.
	if err := d.book.SetReadOnly(context.Background(), credentials); err != nil {
		return nil, err
	}
	if err := d.certificates.apply(cfg); err != nil {
		return nil, err
	}
	if err := d.resolver.SetRoutes(cfg.routing()); err != nil {
		return nil, err
	}
	if err := d.screens.apply(cfg, &policy); err != nil {
		return nil, err
	}
	if err := d.mailboxes.apply(cfg, &policy); err != nil {
		return nil, err
	}
	if err := d.engines.apply(cfg, &policy); err != nil { // last: the check of the configuration has seen all that can fail
		return nil, err
	}
	d.auth.SetExempt(prefixes(cfg.Relay.Networks))
	d.relay.SetPolicy(policy)
	d.guide.answers.Set(autoconfigSettings(cfg))
	if err := d.events.Reopen(); err != nil {
		return nil, err
	}
	d.log.Info("configuration read again", zap.String("file", d.path), zap.Time("at", time.Now()))
	if restart = restartKeys(d.cfg, cfg); len(restart) > 0 {
		d.log.Warn("some of it waits for a restart", zap.Strings("keys", restart))
	}
	return restart, nil
}
