package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/mailbox/imap"
	"github.com/posthaste-mta/posthaste/mailbox/pop3"
)

// mailDoor is one listener where owners of mailboxes read their mail.
type mailDoor struct {
	Listener
	sockets []net.Listener // several only when systemd opened them
	server  mailServer
}

// mailServer is *imap.Server or *pop3.Server.
type mailServer interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
}

// imapMemory bounds what the sessions of all IMAP listeners hold of messages.
const imapMemory = 256 << 20

// mailDoor makes the server of a listener that has its sockets.
func (d *daemon) mailDoor(l Listener, sockets []net.Listener) *mailDoor {
	door := &mailDoor{Listener: l, sockets: make([]net.Listener, len(sockets))}
	for i, s := range sockets {
		door.sockets[i] = proxied(s, prefixes(l.ProxyTrusted))
	}
	logins := &mailLogins{auth: d.auth, has: d.mailboxes.store.Has, inClear: l.AuthInsecure}
	own := l.Limits
	var config *tls.Config
	var ready func() bool
	if set := d.certificates.of(l); set != nil {
		config, ready = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: set.get}, set.ready
	}
	log := d.log.Named(l.Kind)
	if l.Kind == "pop3" {
		door.server = pop3.New(pop3.Config{
			Hostname: d.cfg.Hostname, Listener: l.Name, TLS: config, ImplicitTLS: l.TLS == "implicit", TLSReady: ready,
			Store: d.mailboxes.store, Logins: logins,
			MaxConnections: given(own.Connections), MaxConnectionsPerAddr: given(own.ConnectionsPerAddress),
			MaxCommands: given(own.Commands), MaxErrors: given(own.Errors), IdleTimeout: given(own.IdleTime).Duration,
			Memory: d.mailMemory, Log: log,
		})
		return door
	}
	door.server = imap.New(imap.Config{
		Hostname: d.cfg.Hostname, Version: version(), TLS: config, ImplicitTLS: l.TLS == "implicit", TLSReady: ready,
		Store: d.mailboxes.store, Logins: logins,
		MaxConnections: given(own.Connections), MaxConnectionsPerAddr: given(own.ConnectionsPerAddress),
		MaxMessageBytes: int64(d.cfg.Limits.With(own).MessageSize), MaxErrors: given(own.Errors), IdleTimeout: given(own.IdleTime).Duration,
		Memory: imapMemory / int64(max(d.cfg.listenersOf("imap"), 1)), Log: log,
	})
	return door
}

// given returns what the listener itself sets, or zero: the limits of [limits] are those of SMTP, and the servers of
// mail have other ones, such as half an hour of silence.
func given[T any](own *T) (v T) {
	if own != nil {
		v = *own
	}
	return v
}

// serveMail begins to serve the owners of mailboxes.
func (d *daemon) serveMail(work *sync.WaitGroup, failed chan<- error) {
	for _, door := range d.mailDoors {
		for _, socket := range door.sockets {
			work.Go(func() {
				if err := door.server.Serve(socket); !errors.Is(err, pop3.ErrServerClosed) && !errors.Is(err, imap.ErrClosed) {
					failed <- fmt.Errorf("listener %s: %w", door.Name, err)
				}
			})
		}
	}
}

// cutMailDoors frees what is left of the doors; most often nothing is.
func (d *daemon) cutMailDoors() {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	for _, door := range d.mailDoors {
		for _, socket := range door.sockets {
			socket.Close()
		}
		_ = door.server.Shutdown(now)
	}
}

// closeMailDoors ends the sessions of mailboxes. Commands under way may end, for as long as ctx lasts.
func (d *daemon) closeMailDoors(ctx context.Context) {
	var closing sync.WaitGroup
	for _, door := range d.mailDoors {
		closing.Go(func() {
			if err := door.server.Shutdown(ctx); err != nil {
				d.log.Warn("connections cut at the end", zap.String("listener", door.Name), zap.Error(err))
			}
		})
	}
	closing.Wait()
}
