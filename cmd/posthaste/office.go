package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/relay"
)

// office is where a running daemon is looked at and steered: HTTP for metrics and health, and the control
// socket.
type office struct {
	web         *admin.Web
	webSocket   net.Listener // nil when it is off
	control     *admin.Control
	controlPipe net.Listener
	stopping    context.Context
	stop        context.CancelFunc
	serving     sync.WaitGroup
}

// openOffice binds both sockets.
func openOffice(d *daemon) (*office, error) {
	o := &office{}
	o.stopping, o.stop = context.WithCancel(context.Background())
	metrics, err := admin.NewRegistry(metricSources(d))
	if err != nil {
		return o, err
	}
	o.web = &admin.Web{Hostname: d.cfg.Hostname, Version: version(), Ready: d.ready, Metrics: metrics}
	o.control = &admin.Control{Relay: steered{d.relay, d}, Tools: admin.Tools{
		Trace: func(ctx context.Context, w io.Writer, id message.ID) error {
			if err := d.events.Flush(); err != nil {
				return err
			}
			return relay.Trace(ctx, w, d.cfg.Events.Path, id)
		},
		Resolve: func(ctx context.Context, w io.Writer, domain string) error {
			if d.mailboxes.local(domain) {
				return explainLocal(w, domain)
			}
			_, err := d.resolver.Explain(ctx, domain).WriteTo(w)
			return err
		},
		Reload:      func(context.Context) ([]string, error) { return d.reload() },
		Suppression: d.engines.suppression,
		Greylist:    admin.LocalGreylist{Greylist: d.screens.greylist},
		Credentials: admin.BookCredentials(d.book),
	}}
	if d.mailboxes != nil {
		o.control.Tools.Users = localUsers(d.mailboxes, d.book)
	}
	if d.cfg.HTTP.Address != "" {
		if o.webSocket, err = net.Listen("tcp", d.cfg.HTTP.Address); err != nil {
			return o, fmt.Errorf("http.address: %w", err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(d.cfg.Control.Socket), 0o755); err != nil {
		return o, fmt.Errorf("control.socket: %w", err)
	}
	if o.controlPipe, err = admin.ListenControl(d.cfg.Control.Socket); err != nil {
		return o, fmt.Errorf("control.socket: %w", err)
	}
	return o, nil
}

// serve answers until shutdown. What cannot be served goes to failed.
func (o *office) serve(failed chan<- error) {
	if o.webSocket != nil {
		o.serving.Go(func() {
			if err := o.web.Serve(o.stopping, o.webSocket); err != nil {
				failed <- fmt.Errorf("http: %w", err)
			}
		})
	}
	o.serving.Go(func() {
		if err := o.control.Serve(o.stopping, o.controlPipe); err != nil {
			failed <- fmt.Errorf("control: %w", err)
		}
	})
	o.serving.Wait()
}

// close ends serving and frees the sockets; it may be called again.
func (o *office) close() {
	o.stop()
	if o.webSocket != nil {
		o.webSocket.Close()
	}
	if o.controlPipe != nil {
		o.controlPipe.Close()
	}
}

// ready tells why no mail is accepted; nil while it is.
func (d *daemon) ready() error {
	if err := d.queue.Err(); err != nil {
		return err
	}
	if full := d.queue.Full(); full != nil {
		return full
	}
	return d.store.Err()
}
