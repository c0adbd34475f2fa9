// Package relay takes a message from acceptance to the end of its last recipient. The route, in
// the order of the files:
//
//  1. session*.go, accept.go: an SMTP session asks policy step by step who may send to whom; strangers.go looks at
//     clients that are not ours, and scan.go has filters look at what they bring. A complete message gets its
//     trace field, and is put into the queue before the client is told 250.
//  2. dispatch.go: the queue announces each domain that has due mail; the resolver says
//     which site receives for it, and the domain is attached to that site's lane.
//     The mail of local domains (local.go) goes the same way, into mailboxes (local_deliver.go) instead of to a host.
//  3. lane.go: a lane owns the connections of one source to one site, and hands each the next due mail of its
//     domains in turn. lane_staff.go opens them by demand, up to the limits of the site; suspend.go leaves a
//     site alone that does not serve us; lane_memory.go has mail wait for which there is no memory.
//  4. connect.go: a connection tries the site's hosts in order and sets up TLS; what it
//     learns of a host is kept in hosts.go.
//  5. deliver.go: a connection leases mail from the queue and sends it, the next transaction in
//     flight with the end of the last.
//     lost.go says what becomes of the mail when the connection dies.
//  6. outcome.go: one place decides what a reply means for each recipient: delivered, deferred until
//     when, bounced, expired. bounce.go writes the report that is due.
//  7. record.go: outcomes of all lanes are gathered. journal.go settles them in the queue, a failure and its
//     report in one write, and tells the event log.
//
// Nothing here keeps mail: until a recipient's end is settled in the queue, the queue has it.
package relay

import (
	"context"
	"crypto/tls"
	"hash/fnv"
	"math"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/policy/classify"
	"github.com/posthaste-mta/posthaste/policy/limit"
	"github.com/posthaste-mta/posthaste/policy/milter"
	"github.com/posthaste-mta/posthaste/policy/nexthop"
	"github.com/posthaste-mta/posthaste/policy/suppress"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/resolver"
	"github.com/posthaste-mta/posthaste/smtp"
)

// Router tells where a domain's mail goes. *resolver.Resolver is one; a failure is a
// *resolver.Failure.
type Router interface {
	Route(ctx context.Context, domain string) (resolver.Route, error)
}

// Dialer opens a connection to addr, from the source's address when it has one.
type Dialer func(ctx context.Context, source policy.Source, addr netip.AddrPort) (net.Conn, error)

// Config is what a Relay is made of and what stays as it is while it runs.
type Config struct {
	Hostname string // our name in trace fields, reports and (unless a source has its own) EHLO
	Queue    *queue.Queue
	Router   Router
	Events   *EventLog
	Log      *zap.Logger
	Dial     Dialer // nil: TCP from the source's address
	// DialSocket opens a connection to a Unix socket; nil: as the system does.
	DialSocket func(ctx context.Context, path string) (net.Conn, error)
	TLS        *tls.Config // the base of the client side's settings; nil: Go's defaults
	Client     smtp.ClientConfig
	// MaxConnections bounds the open connections over all lanes; default 2,000.
	MaxConnections int
	// Memory bounds the content in delivery, in bytes; default DefaultMemory. Mail for which there is none waits.
	Memory int64
	// MaxResolving bounds how many domains wait for DNS at once; default 1,000.
	MaxResolving int
	// MaxHosts bounds how many hosts' quirks are remembered; default 20,000.
	MaxHosts int
}

// Policy is what may be changed while the relay runs, all at once, by SetPolicy.
type Policy struct {
	Access  policy.Access
	Retry   policy.Schedules
	Shaping *policy.Shaping
	Pools   policy.Pools // the sources that mail leaves from
	Bounce  BounceConfig
	// Classes says what refusals are about, and what that calls for; nil: all are Unknown.
	Classes *classify.Table
	Auth    *auth.Authenticator // who may log in; nil: nobody
	// Logins is how to come to next hops that want to know who we are, or begin with TLS; nil: there are none.
	Logins  nexthop.Logins
	Limits  *limit.Limiter // how much clients may ask for; nil: as much as they like
	Harvest *limit.Harvest // delays who guesses at addresses; nil: nobody
	// Uncounted are networks whose addresses are not limited as clients; their logins, tenants and so on are.
	Uncounted []netip.Prefix
	// Suppression has the recipients that get no mail; nil: all get theirs. RefuseSuppressed has the client told
	// (550 5.7.1); else they are accepted, and end at once.
	Suppression      *suppress.List
	RefuseSuppressed bool
	// Local is who has a mailbox here; nil: nobody.
	Local *Local
	// Postmaster receives what is sent to postmaster, without a domain or at our host name, by anyone (RFC 5321
	// 4.5.1 has every server take such mail). "": it goes to our host name, like the mail of any domain.
	Postmaster string
	// Inbound is how mail from strangers is looked at; nil: not at all.
	Inbound *Inbound
	// Milters are the outside scanners of each listener's mail, by the listener's name.
	Milters map[string]milter.Chain
	// DKIM is how mail of our own is signed; nil: it is not.
	DKIM *Signing
	// MaxReceived is how many Received fields a message may carry before it is taken for a
	// loop (RFC 5321 6.3 wants at least 100).
	MaxReceived int
	// Detail has the event log tell each attempt's steps, which trace shows.
	Detail bool
}

// Relay delivers what its queue holds. Make one with New, start it with Run.
type Relay struct {
	cfg    Config
	queue  *queue.Queue
	router Router
	events *EventLog
	log    *zap.Logger
	policy atomic.Pointer[Policy]
	hosts  *hostMemory
	storm  *stormGuard
	slots  *slots
	// localSlots are those of lanes into mailboxes.
	localSlots *slots
	memory     *memory
	reading    sync.Mutex // held while content is read for a report of mail that is not in delivery
	signing    chan struct{}
	// filtersFail tells that a milter did not decide about the last message.
	filtersFail atomic.Bool
	lanes       laneTable
	lookups     lookups
	record      *recorder
	journal     *journal
	bounces     *bounceNotes
	metrics     counters

	// leasing ends when no new work may be taken from the queue; delivering ends when what is in
	// flight must be given up.
	leasing, delivering       context.Context
	stopLeasing, stopDelivery context.CancelFunc
	work                      sync.WaitGroup // dispatch and lanes
}

// New returns a Relay that does nothing until Run.
func New(cfg Config, p Policy) *Relay {
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = 2000
	}
	if cfg.Memory == 0 {
		cfg.Memory = DefaultMemory
	}
	if cfg.MaxResolving == 0 {
		cfg.MaxResolving = 1000
	}
	if cfg.MaxHosts == 0 {
		cfg.MaxHosts = 20_000
	}
	if cfg.Dial == nil {
		cfg.Dial = dialTCP
	}
	if cfg.DialSocket == nil {
		cfg.DialSocket = dialSocket
	}
	if cfg.TLS == nil {
		cfg.TLS = &tls.Config{}
	}
	if cfg.Client.Buffers == nil {
		cfg.Client.Buffers = smtp.NewClientBuffers()
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	r := &Relay{
		cfg:    cfg,
		queue:  cfg.Queue,
		router: cfg.Router,
		events: cfg.Events,
		log:    cfg.Log,
		hosts:  newHostMemory(cfg.MaxHosts),
		storm:  newStormGuard(),
		slots:  newSlots(cfg.MaxConnections),
		// No connections are made to mailboxes, and a store that hangs must not take those of others.
		localSlots: newSlots(math.MaxInt),
		memory:     newMemory(cfg.Memory),
		signing:    newSigning(),
	}
	r.lanes.init(r)
	r.record = newRecorder(r)
	r.bounces = newBounceNotes(r)
	r.journal = newJournal(r.queue, r.events, r.log)
	r.SetPolicy(p)
	r.leasing, r.stopLeasing = context.WithCancel(context.Background())
	r.delivering, r.stopDelivery = context.WithCancel(context.Background())
	return r
}

// SetPolicy puts p in force for all that begins from now on; what is under way ends as it began. Every domain
// is routed anew before its next mail, so call it also when only the Router has changed. One whose limits or
// source are others now moves to another lane.
func (r *Relay) SetPolicy(p Policy) {
	if p.MaxReceived == 0 {
		p.MaxReceived = 100
	}
	r.policy.Store(&p)
	r.lanes.reroute()
}

// Run delivers until ctx ends, then drains: nothing new is leased, what is in flight has until drain has
// passed to finish, the rest goes back to the queue. Run returns when every outcome is settled. It returns
// early, with an error, when the queue has failed or outcomes can no longer be recorded.
func (r *Relay) Run(ctx context.Context, drain time.Duration) error {
	r.tellLeft(ctx)
	r.journal.start()
	defer r.journal.close()
	r.bounces.start()
	defer r.bounces.close()
	recorded := make(chan error, 1)
	go func() { recorded <- r.record.run() }()
	r.work.Go(r.dispatch)
	r.work.Go(r.lanes.sweep)

	var failed error
	select {
	case <-ctx.Done():
	case <-r.leasing.Done(): // Abort
	case <-r.queue.Failed():
		drain = 0
	case failed = <-recorded:
		recorded, drain = nil, 0
	}
	r.stopLeasing()
	r.lanes.wakeAll()
	finished := make(chan struct{})
	go func() { r.work.Wait(); close(finished) }()
	timer := time.NewTimer(drain)
	defer timer.Stop()
	select {
	case <-finished:
	case <-timer.C:
		r.stopDelivery()
		<-finished
	}
	r.stopDelivery()
	r.lanes.releaseShelved()
	if recorded != nil {
		r.record.close()
		failed = <-recorded
	}
	if failed == nil {
		failed = r.queue.Err()
	}
	return failed
}

// tellLeft completes the event log before anything is delivered.
func (r *Relay) tellLeft(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(r.leasing, cancel)() // Abort
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-r.queue.Failed(): // what it holds for the log cannot be dropped any more
			cancel()
		case <-ctx.Done():
		}
	})
	if err := r.journal.tellLeft(ctx); err != nil {
		r.log.Error("what the event log lacks since the last crash waits for the next start", zap.Error(err))
	}
}

// Abort gives up what is in flight: Run then returns without waiting, for its context or its drain time.
func (r *Relay) Abort() { r.stopLeasing(); r.stopDelivery() }

func dialTCP(ctx context.Context, source policy.Source, addr netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	if source.IP.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source.IP, 0))
	}
	return d.DialContext(ctx, "tcp", addr.String())
}

func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}

// localStatus is an outcome that we concluded ourselves.
func localStatus(code int, enhanced message.EnhancedCode, text string) message.Status {
	return message.Status{Code: code, Enhanced: enhanced, Text: text}
}

// sourceFor returns the source that a domain's mail leaves from: by weight over all domains and
// always the same for one domain, so that a greylisting host sees the same client again.
func (p *Policy) sourceFor(domain string) policy.Source {
	h := fnv.New64a()
	h.Write([]byte(domain))
	source, _ := p.Pools.For(domain).Pick(float64(h.Sum64()>>11) / (1 << 53))
	return source
}
