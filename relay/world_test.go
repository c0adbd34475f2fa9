package relay

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/classify"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/resolver"
	"github.com/posthaste-mta/posthaste/smtp"
)

var (
	worlds    = flag.Int("worlds", 8, "how many random worlds TestWorlds plays")
	worldSeed = flag.Uint64("world-seed", 0, "play this one world only")
)

// TestWorlds plays random worlds: domains that share sites, hosts with bad manners, limits, operators,
// restarts and changes of policy, until the queue is empty. Whatever happens, every recipient ends once, is
// delivered once unless the reply was lost, its failure is reported once, no limit is exceeded, and
// nothing is left behind: not a message, not a goroutine.
func TestWorlds(t *testing.T) {
	seeds := []uint64{*worldSeed}
	if *worldSeed == 0 {
		seeds = nil
		for range *worlds {
			seeds = append(seeds, rand.Uint64()>>32)
		}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newWorld(t, seed).play() })
		})
	}
}

const (
	worldExpire = 4 * time.Hour
	worldDrain  = 5 * time.Second
)

// world is a random world and what was seen of it.
type world struct {
	t      *testing.T
	dice   *rand.Rand
	diceMu sync.Mutex

	fs     *vfs.MemFS
	queue  *queue.Queue
	relay  *Relay
	events *EventLog
	end    context.CancelFunc
	ended  chan error

	classes *classify.Table
	domains []string
	sites   map[string]string // by domain
	stores  map[string]bool   // by site: it speaks LMTP
	routes  map[string][]resolver.Host
	hosts   map[netip.Addr]*worldHost
	local   *Local // nil: all domains are others'

	process, perConnection, perTransaction int
	memory                                 int64
	limits                                 []worldLimit

	mu       sync.Mutex
	open     map[string]int // connections by site
	openAll  int
	taken    map[string]int // by recipient: how often a host said 250 to it
	doubted  map[string]int // the same without a word
	reports  map[string]int // by action and recipient
	accepted map[string]bool
	ends     map[string][]Event
	cut      bool // a Run had to give up what was in flight
}

// worldLimit is how many connections a site may have, and since when.
type worldLimit struct {
	since       time.Time
	connections int
}

// allowed returns how many connections a site may have now. After a change those under the old limit end with
// what they are doing, which a host that stalls may draw out.
func (w *world) allowed() (most int) {
	for i, l := range w.limits {
		if i == len(w.limits)-1 || time.Since(w.limits[i+1].since) < 15*time.Minute {
			most += l.connections
		}
	}
	return most
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, dice: newDice(seed), fs: vfs.NewMem(),
		sites: map[string]string{}, stores: map[string]bool{}, routes: map[string][]resolver.Host{}, hosts: map[netip.Addr]*worldHost{},
		open: map[string]int{}, taken: map[string]int{}, doubted: map[string]int{}, reports: map[string]int{},
		accepted: map[string]bool{}, ends: map[string][]Event{},
	}
	w.classes = classes(t)
	w.process = 1 + w.intn(12)
	w.memory = []int64{0, 1 << 10, 5 << 10, 20 << 10}[w.intn(4)]
	for site := range 1 + w.intn(6) {
		w.addSite(fmt.Sprintf("site%d", site))
	}
	for i := range 4 + w.intn(30) {
		domain := fmt.Sprintf("d%d.test", i)
		w.domains = append(w.domains, domain)
		w.sites[domain] = fmt.Sprintf("site%d", w.intn(len(w.routes)))
	}
	if w.chance(0.5) {
		w.addLocal()
	}
	w.sites["a.test"] = "senders" // where reports go; it has the best of manners
	w.addHost("senders", manners{Extensions: []string{"PIPELINING"}})
	return w
}

// addSite makes a site of one to three hosts, each with manners of its own.
func (w *world) addSite(site string) {
	w.stores[site] = w.chance(0.25)
	for range 1 + w.intn(3) {
		var m manners
		for _, p := range []*float64{&m.Refuse, &m.BadGreeting, &m.Stall, &m.Drop, &m.Closing, &m.Temporary,
			&m.Permanent, &m.DropUntold, &m.CloseIdle, &m.OutOfStep} {
			if w.chance(0.3) {
				*p = []float64{0.01, 0.1, 0.3}[w.intn(3)]
			}
		}
		for _, e := range []string{"PIPELINING", "CHUNKING", "SIZE 1000000", "DSN", "8BITMIME"} {
			if w.chance(0.6) {
				m.Extensions = append(m.Extensions, e)
			}
		}
		m.FakeChunking = w.chance(0.1)
		w.addHost(site, m)
	}
}

func (w *world) addHost(site string, m manners) {
	addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + len(w.hosts))})
	w.hosts[addr] = &worldHost{world: w, site: site, addr: addr, lmtp: w.stores[site], manners: m}
	w.routes[site] = append(w.routes[site], resolver.Host{
		Name: addr.String() + ".test", Addrs: []netip.AddrPort{netip.AddrPortFrom(addr, 25)},
	})
}

// policy rolls new limits.
func (w *world) policy() Policy {
	limits := policy.DefaultLimits()
	w.mu.Lock()
	limits.Connections = 1 + w.intn(5)
	w.limits = append(w.limits, worldLimit{time.Now(), limits.Connections})
	if w.perTransaction == 0 { // these two stay: what is in flight ends under the old ones
		w.perTransaction, w.perConnection = 1+w.intn(4), w.intn(4)*3
	}
	w.mu.Unlock()
	limits.RecipientsPerTransaction = w.perTransaction
	limits.MessagesPerConnection = w.perConnection
	if w.perConnection > 0 {
		limits.RecipientsPerTransaction, w.perTransaction = 100, 100 // a message is a transaction
	}
	if w.chance(0.3) {
		limits.MessagesPerSecond, limits.Burst = []float64{0.2, 1, 20}[w.intn(3)], 1+w.intn(3)
	}
	limits.IdleTimeout = w.span(0, 10*time.Second)
	limits.NoPipelining = w.chance(0.2)
	shaping, err := policy.NewShaping(limits)
	if err != nil {
		w.t.Fatal(err)
	}
	return Policy{
		Access:  policy.Access{RelayNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		Shaping: shaping,
		Classes: w.classes,
		Retry: policy.Schedules{Default: policy.Schedule{
			Intervals: []time.Duration{time.Minute, 10 * time.Minute, 30 * time.Minute}, Jitter: 0.2,
			Expire: worldExpire, DelayWarning: time.Hour,
		}},
		Detail: w.chance(0.5),
		Local:  w.local,
	}
}

func (w *world) start() {
	var err error
	w.queue, err = queue.Open(queue.Options{Dir: "queue", FS: w.fs, MinFreeDisk: -1, Memory: 16 << 20, RecipientsPerGroup: 1 + w.intn(8)})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.events, err = OpenEventLog(EventLogOptions{}); err != nil {
		w.t.Fatal(err)
	}
	go w.follow(w.events.Subscribe(100_000))
	w.relay = New(Config{
		Hostname: "relay.test", Queue: w.queue, Router: w, Events: w.events, MaxConnections: w.process,
		Memory: w.memory, MaxResolving: 1 + w.intn(10),
		Dial: func(_ context.Context, _ policy.Source, addr netip.AddrPort) (net.Conn, error) {
			return w.dial(addr)
		},
		Client: smtp.ClientConfig{SkipQuitReply: w.chance(0.5), Window: w.intn(4)},
	}, w.policy())
	ctx, cancel := context.WithCancel(context.Background())
	w.end, w.ended = cancel, make(chan error, 1)
	go func() { w.ended <- w.relay.Run(ctx, worldDrain) }()
}

func (w *world) stop() {
	began := time.Now()
	w.end()
	if err := <-w.ended; err != nil {
		w.t.Errorf("relay: %v", err)
	}
	took := time.Since(began)
	if took > worldDrain+50*time.Millisecond { // the queue gathers what it commits
		w.t.Errorf("ending took %v", took)
	}
	w.cut = w.cut || took >= worldDrain
	if n := w.openAll; n != 0 {
		w.t.Errorf("%d connections are still open", n)
	}
	if bytes, waiting := w.relay.memory.used(); bytes != 0 || waiting != 0 {
		w.t.Errorf("%d bytes of memory are still in use, and %d messages wait for some", bytes, waiting)
	}
	if err := errors.Join(w.events.Close(), w.queue.Close()); err != nil {
		w.t.Error(err)
	}
	synctest.Wait() // the events have been followed
}

func (w *world) follow(sub *Subscription) {
	for {
		events, lost, err := sub.Next(context.Background())
		if lost > 0 {
			w.wrong("%d events were not seen", lost)
		}
		w.mu.Lock()
		for _, e := range events {
			if e.Type.Ends() {
				w.ends[e.Recipient] = append(w.ends[e.Recipient], e)
			}
		}
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Route makes the world a Router.
func (w *world) Route(ctx context.Context, domain string) (resolver.Route, error) {
	if domain != "a.test" {
		select {
		case <-time.After(w.span(0, 2*time.Second)):
		case <-ctx.Done():
			return resolver.Route{}, ctx.Err()
		}
		if w.chance(0.05) {
			return resolver.Route{}, &resolver.Failure{Status: localStatus(451, message.EnhancedCode{4, 4, 3}, "no answer")}
		}
	}
	site := w.sites[domain]
	return resolver.Route{
		Domain: domain, Site: site, Hosts: w.routes[site], LMTP: w.stores[site], Expires: time.Now().Add(w.span(time.Second, 20*time.Minute)),
	}, nil
}

// play lets the world happen, and then looks at what has become of it.
func (w *world) play() {
	w.start()
	for n := range 10 + w.intn(60) {
		w.submit(n)
		if w.chance(0.5) {
			time.Sleep(w.span(0, 3*time.Second))
		}
		if w.chance(0.1) {
			time.Sleep(w.span(0, 30*time.Minute))
		}
		if w.chance(0.25) {
			w.meddle()
		}
	}
	w.must(w.relay.Resume(context.Background(), queue.Filter{}))
	for range 100 {
		time.Sleep(30 * time.Minute)
		if w.chance(0.1) {
			w.meddle()
			w.must(w.relay.Resume(context.Background(), queue.Filter{}))
		}
		if audit := w.audit(); audit.Queued == 0 {
			w.stop()
			w.judge()
			return
		}
	}
	w.t.Errorf("after two days there is still mail: %+v", w.audit())
	w.stop()
}

// submit hands in message n, with recipients that are like no others.
func (w *world) submit(n int) {
	session, err := (&Intake{Relay: w.relay}).NewSession(&smtp.ConnInfo{
		ESMTP: true, HELO: "client", RemoteAddr: netip.MustParseAddrPort("127.0.0.1:1"),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	from := fmt.Sprintf("s%d@a.test", n)
	if w.chance(0.1) {
		from = ""
	}
	err = session.Mail(from, &gosmtp.MailOptions{})
	var to []string
	for i := range 1 + w.intn(10) {
		to = append(to, fmt.Sprintf("m%dr%d@%s", n, i, w.domains[w.intn(len(w.domains))]))
		err = errors.Join(err, session.Rcpt(to[i], &gosmtp.RcptOptions{}))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	content := fmt.Sprintf("Subject: %d\r\n\r\n.\r\n%s\r\n", n, strings.Repeat("x", w.intn(3000)))
	switch w.intn(10) {
	case 0, 1:
		content += "déjà vu\r\n"
	case 2: // which cannot be converted
		content = "Keywords: déjà vu\r\n" + content
	}
	var reply *gosmtp.SMTPError
	if err := session.Data(smtp.NewBody([]byte(content))); !errors.As(err, &reply) || reply.Code != 250 {
		w.t.Fatalf("not accepted: %v", err)
	}
	for _, r := range to {
		w.accepted[r] = from != ""
	}
}

// meddle does what operators do.
func (w *world) meddle() {
	ctx := context.Background()
	f := queue.Filter{Domain: w.domains[w.intn(len(w.domains))]}
	switch w.intn(8) {
	case 0:
		w.must(w.relay.Hold(ctx, f))
	case 1:
		w.must(w.relay.Resume(ctx, f))
	case 2:
		w.must(w.relay.Retry(ctx, f))
	case 3:
		w.must(w.relay.Retry(ctx, queue.Filter{}))
	case 4:
		w.must(w.relay.Drop(ctx, queue.Filter{Recipient: fmt.Sprintf("m%dr%d@%s", w.intn(60), w.intn(3), f.Domain)}))
	case 5:
		w.must(w.relay.Bounce(ctx, f, "an operator says no"))
	case 6:
		w.relay.SetPolicy(w.policy())
	case 7:
		w.stop()
		w.start()
	}
}

func (w *world) must(_ queue.Changed, err error) {
	if err != nil {
		w.t.Error(err)
	}
}

func (w *world) audit() queue.Audit {
	audit, err := w.queue.Audit(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	if audit.Unaccounted() != 0 || audit.Queued != audit.Expected {
		w.t.Errorf("audit does not add up: %+v", audit)
	}
	return audit
}

// judge compares what was accepted, what was told and what the hosts have seen.
func (w *world) judge() {
	for rcpt, reported := range w.accepted {
		ends := w.ends[rcpt]
		if len(ends) != 1 {
			w.t.Errorf("%s has %d ends: %v", rcpt, len(ends), ends)
			continue
		}
		end := ends[0]
		want := 0
		switch end.Type {
		case EventDelivered:
			if w.taken[rcpt] == 0 {
				w.t.Errorf("%s was told delivered, and no host has said so", rcpt)
			}
		case EventBounced, EventExpired:
			if reported {
				want = 1
			}
		}
		// A host that took it and could not say so, or whom we left at the end of our time, may get it twice.
		here := strings.HasSuffix(rcpt, worldLocal) // where nothing is twice
		if most := 1 + w.doubted[rcpt]; w.taken[rcpt] > most && (!w.cut || here) {
			w.t.Errorf("%s was taken %d times", rcpt, w.taken[rcpt])
		}
		if n := w.reports["failed "+rcpt]; n != want {
			w.t.Errorf("%s %s (%v) and its sender got %d reports", rcpt, end.Type, end.Status, n)
		}
		if n := w.reports["delayed "+rcpt]; n > 1 {
			w.t.Errorf("the delay of %s was told %d times", rcpt, n)
		}
		if end.Type != EventExpired {
			continue
		}
		if age := end.Timestamp.Sub(end.Created); age < worldExpire {
			w.t.Errorf("%s expired after %v", rcpt, age)
		}
	}
}
