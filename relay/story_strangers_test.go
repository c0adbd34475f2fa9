package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	wire "github.com/emersion/go-milter"

	"github.com/posthaste-mta/posthaste/policy/greylist"
	"github.com/posthaste-mta/posthaste/policy/inbound"
	"github.com/posthaste-mta/posthaste/policy/milter"
	"github.com/posthaste-mta/posthaste/policy/store"
	"github.com/posthaste-mta/posthaste/resolver"
	"github.com/posthaste-mta/posthaste/resolver/resolvertest"
)

// lookAtStrangers has clients outside our networks looked at, by a DNS of these lines; lists.test is a DNSBL.
func (s *story) lookAtStrangers(zone string) {
	z, err := resolvertest.ParseZone(zone)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := resolver.New(resolver.Config{Servers: []string{"192.0.2.53"}, Dial: z.Dial})
	if err != nil {
		s.t.Fatal(err)
	}
	s.closes = append(s.closes, func() { s.check(r.Close()) })
	c, err := inbound.New(inbound.Config{
		Resolver: r, ID: "relay.test",
		Lists: []inbound.List{{Zone: "lists.test", Action: inbound.ActionRefuse}, {Zone: "odd.test", Action: inbound.ActionHold}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.policy.Inbound = &Inbound{Checker: c, SPFPasses: true}
	s.relay.SetPolicy(s.shaped())
}

// greylisting has strangers come again.
func (s *story) greylisting(delay string) {
	kept, err := store.Open(store.Options{Dir: "policy", FS: vfs.NewMem()})
	if err != nil {
		s.t.Fatal(err)
	}
	d, err := time.ParseDuration(delay)
	if err != nil {
		s.t.Fatal(err)
	}
	g, err := greylist.Open(context.Background(), greylist.Options{Store: kept, Rules: greylist.Rules{Delay: d}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.closes = append(s.closes, func() { s.check(errors.Join(g.Close(), kept.Close())) })
	looked := *s.policy.Inbound
	looked.Greylist = g
	s.policy.Inbound = &looked
	s.relay.SetPolicy(s.shaped())
}

func (s *story) check(err error) {
	if err != nil {
		s.t.Error(err)
	}
}

// filter adds a milter that follows a script.
func (s *story) filter(name string, script []string) {
	pipe := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &wire.Server{
		NewMilter: func() wire.Milter { return &scripted{script: script} },
		Actions: wire.OptAddHeader | wire.OptChangeBody | wire.OptAddRcpt | wire.OptRemoveRcpt |
			wire.OptChangeFrom | wire.OptQuarantine,
	}
	go func() { _ = server.Serve(pipe) }() // ends with the pipe
	f, err := milter.New(milter.Options{Name: name, Address: "pipe", Dial: pipe.dial})
	if err != nil {
		s.t.Fatal(err)
	}
	s.closes = append(s.closes, func() { f.Close(); pipe.Close() })
	chain := append(milter.Chain{}, s.policy.Milters["mx"]...)
	s.policy.Milters = map[string]milter.Chain{"mx": append(chain, f)}
	s.relay.SetPolicy(s.shaped())
}

// scripted is the other side of a filter's connection.
type scripted struct {
	wire.NoOpMilter
	script []string
}

func (f *scripted) Body(m *wire.Modifier) (wire.Response, error) {
	var err error
	for _, line := range f.script {
		verb, rest, _ := strings.Cut(line, " ")
		switch verb {
		case "add":
			name, value, _ := strings.Cut(rest, ": ")
			err = errors.Join(err, m.AddHeader(name, value))
		case "body":
			err = errors.Join(err, m.ReplaceBody([]byte(rest+"\r\n")))
		case "from":
			err = errors.Join(err, m.ChangeFrom(rest))
		case "rcpt":
			err = errors.Join(err, m.AddRecipient(rest))
		case "remove":
			err = errors.Join(err, m.DeleteRecipient(rest))
		case "hold":
			err = errors.Join(err, m.Quarantine(rest))
		case "discard":
			return wire.RespDiscard, err
		case "reject":
			return wire.RespReject, err
		case "break":
			return nil, errors.New("broken")
		case "accept":
			return wire.RespAccept, err
		default:
			return wire.NewResponseStr(byte(wire.ActReplyCode), line), err
		}
	}
	return wire.RespAccept, err
}

// pipes is a listener in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.closed) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: fmt.Sprintf("%p", p)} }
