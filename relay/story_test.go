package relay

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/address"
	"github.com/posthaste-mta/posthaste/policy/classify"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/resolver"
	"github.com/posthaste-mta/posthaste/smtp"
	"github.com/posthaste-mta/posthaste/smtp/smtptest"
)

var update = flag.Bool("update", false, "write what happened into the stories instead of comparing")

// TestStories plays testdata/stories/*.txt: each is a world (a zone, remotes that follow a script), what is
// submitted to a relay in it, and what could be seen. Time is virtual: "wait 5m" takes no time.
//
// A step is a command with its input lines, then "----", then what is to be seen, then a blank line:
//
//	zone            one record a line: DOMAIN MX PREF HOST, HOST A ADDR, DOMAIN NXDOMAIN|SERVFAIL|NULLMX
//	remote HOST     the script of a host from now on, as in package smtptest; "down" refuses connections
//	policy          settings: retry=1m,5m expire=1h warn=30m connections=2 rcpts=2 per-connection=3 rate=10
//	dns             what policy can look up, in the words of package resolvertest; strangers are looked at from then on
//	greylist DELAY  strangers come again, unless SPF names them
//	filter NAME     one more milter: "add NAME: VALUE", "body TEXT", "from A", "rcpt A", "remove A", "hold WHY",
//	                then "accept", "discard", "reject" or "451 ..."
//	submit k=v...   from= to= (comma-separated) notify= ret= orcpt= client= ; input lines are the message
//	wait DURATION   lets time pass
//	restart         stops the relay and opens the same queue again
//	retry           has an operator ask for all mail to be tried now
//	release         has an operator release all mail that is held
//	received HOST   what the remote took: envelope, and content if "content" is given too
//	local           who has a mailbox here: domain, account ADDRESS [QUOTA], gone, alias ADDRESS -> ADDRESS,..., postmaster
//	store           works, fails, hangs, or takes DURATION
//	mailbox ADDRESS what is in a mailbox: the fields of delivery, and all if "content" is given too
//
// In a zone, DOMAIN LMTP HOST and DOMAIN SOCKET PATH lead to a mail store; its remote is HOST or PATH.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/stories/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			told, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var seen string
			synctest.Test(t, func(t *testing.T) { seen = play(t, string(told)) })
			if *update {
				if err := os.WriteFile(file, []byte(seen), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if seen != string(told) {
				t.Errorf("the story went otherwise; what happened:\n%s", seen)
			}
		})
	}
}

// play runs a story and returns it as it happened.
func play(t *testing.T, told string) string {
	s := newStory(t)
	s.start()
	var out strings.Builder
	lines := strings.Split(strings.TrimSuffix(told, "\n"), "\n")
	for i := 0; i < len(lines); {
		if lines[i] == "" || strings.HasPrefix(lines[i], "#") {
			out.WriteString(lines[i] + "\n")
			i++
			continue
		}
		command := lines[i]
		var input []string
		for i++; i < len(lines) && lines[i] != "----"; i++ {
			input = append(input, lines[i])
		}
		for i++; i < len(lines) && lines[i] != ""; i++ { // what was expected: compared as a whole at the end
		}
		result := s.step(command, input)
		out.WriteString(command + "\n")
		for _, l := range input {
			out.WriteString(l + "\n")
		}
		out.WriteString("----\n" + result)
	}
	s.stop()
	s.closeAll()
	return out.String()
}

// closeAll closes what policy has.
func (s *story) closeAll() {
	for i := len(s.closes) - 1; i >= 0; i-- {
		s.closes[i]()
	}
}

// story is the world of one story.
type story struct {
	t      *testing.T
	fs     *vfs.MemFS
	queue  *queue.Queue
	relay  *Relay
	events *EventLog
	sub    *storySink
	policy Policy
	limits policy.Limits
	closes []func() // of what policy has

	mailboxes   *testMailboxes
	addresses   address.Config
	memory      int64 // of the relay; 0: its default
	connections int   // of the process; 0: the default
	end         context.CancelFunc
	ended       chan error

	mu      sync.Mutex
	zone    map[string][]string // "example.net" -> "MX 10 mx1.example.net"
	remotes map[string]*smtptest.Server
	numbers map[message.ID]int
}

func newStory(t *testing.T) *story {
	return &story{
		t: t, fs: vfs.NewMem(), zone: map[string][]string{}, remotes: map[string]*smtptest.Server{},
		numbers: map[message.ID]int{},
		policy: Policy{
			Access: policy.Access{RelayNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
			Retry:  policy.Schedules{Default: policy.Schedule{Intervals: []time.Duration{5 * time.Minute, 30 * time.Minute}, Expire: 24 * time.Hour}},
		},
		limits: policy.DefaultLimits(),
	}
}

func (s *story) start() {
	var err error
	s.queue, err = queue.Open(queue.Options{Dir: "queue", FS: s.fs, MinFreeDisk: -1, Now: time.Now, Memory: 16 << 20})
	if err != nil {
		s.t.Fatal(err)
	}
	s.events, err = OpenEventLog(EventLogOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	if s.sub == nil {
		s.sub = &storySink{}
	}
	go s.sub.follow(s.events.Subscribe(0))
	s.relay = New(Config{
		Hostname: "relay.test", Queue: s.queue, Router: s, Events: s.events, Dial: s.dial, DialSocket: s.dialSocket,
		Client: smtp.ClientConfig{SkipQuitReply: true}, Memory: s.memory, MaxConnections: s.connections,
	}, s.shaped())
	ctx, cancel := context.WithCancel(context.Background())
	s.end, s.ended = cancel, make(chan error, 1)
	go func() { s.ended <- s.relay.Run(ctx, time.Second) }()
}

// classes is the table of what refusals mean.
func classes(t *testing.T) *classify.Table {
	t.Helper()
	table, err := classify.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func (s *story) stop() {
	s.end()
	if err := <-s.ended; err != nil {
		s.t.Errorf("relay: %v", err)
	}
	if err := errors.Join(s.events.Close(), s.queue.Close()); err != nil {
		s.t.Error(err)
	}
}

// step does one command and returns what could be seen of it.
func (s *story) step(command string, input []string) string {
	words := strings.Fields(command)
	switch words[0] {
	case "zone":
		s.mu.Lock()
		for _, l := range input {
			if f := strings.Fields(l); len(f) > 1 {
				s.zone[f[0]] = append(s.zone[f[0]], strings.Join(f[1:], " "))
			}
		}
		s.mu.Unlock()
	case "remote":
		s.remote(words[1], input)
	case "policy":
		s.setPolicy(words[1:])
	case "dns":
		s.lookAtStrangers(strings.Join(input, "\n"))
	case "greylist":
		s.greylisting(words[1])
	case "filter":
		s.filter(words[1], input)
	case "release":
		s.must(s.relay.Resume(context.Background(), queue.Filter{}))
		return s.seen()
	case "submit":
		return s.submit(words[1:], input) + s.seen()
	case "wait":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(d)
		return s.seen()
	case "restart":
		s.stop()
		s.start()
		return s.seen()
	case "retry":
		s.must(s.relay.Retry(context.Background(), queue.Filter{}))
		return s.seen()
	case "local":
		s.local(input)
	case "store":
		s.store(words[1:])
	case "mailbox":
		return s.mailbox(words[1], len(words) > 2)
	case "received":
		return s.received(words[1], len(words) > 2)
	default:
		s.t.Fatalf("no such step: %s", command)
	}
	return ""
}

func (s *story) remote(host string, script []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(script) == 1 && script[0] == "down" {
		delete(s.remotes, host)
		return
	}
	s.remotes[host] = smtptest.Start(s.t, strings.Join(script, "\n"))
}

func (s *story) setPolicy(settings []string) {
	d := func(v string) time.Duration {
		x, err := time.ParseDuration(v)
		if err != nil {
			s.t.Fatal(err)
		}
		return x
	}
	n := func(v string) (x int) { fmt.Sscan(v, &x); return x }
	for _, setting := range settings {
		k, v, _ := strings.Cut(setting, "=")
		switch k {
		case "retry":
			s.policy.Retry.Default.Intervals = nil
			for _, i := range strings.Split(v, ",") {
				s.policy.Retry.Default.Intervals = append(s.policy.Retry.Default.Intervals, d(i))
			}
		case "domains":
			s.policy.Access.RelayDomains = policy.NewDomainSet(strings.Split(v, ",")...)
		case "deny":
			s.policy.Inbound = &Inbound{Deny: []netip.Prefix{netip.MustParsePrefix(v)}, Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32")}}
		case "postmaster":
			s.policy.Postmaster = v
		case "greylist":
			s.policy.Retry.Default.GreylistRetry = d(v)
		case "expire":
			s.policy.Retry.Default.Expire = d(v)
		case "warn":
			s.policy.Retry.Default.DelayWarning = d(v)
		case "connections":
			s.limits.Connections = n(v)
		case "rcpts":
			s.limits.RecipientsPerTransaction = n(v)
		case "per-connection":
			s.limits.MessagesPerConnection = n(v)
		case "tls":
			if err := s.limits.TLS.UnmarshalText([]byte(v)); err != nil {
				s.t.Fatal(err)
			}
		case "eightbit":
			if err := s.limits.EightBit.UnmarshalText([]byte(v)); err != nil {
				s.t.Fatal(err)
			}
		case "rate":
			s.limits.MessagesPerSecond = float64(n(v))
		case "bounces-per-hour":
			s.policy.Bounce.PerHour = n(v)
		default:
			s.t.Fatalf("no such policy: %s", k)
		}
	}
	s.relay.SetPolicy(s.shaped())
}

// shaped returns the policy with the limits as they are.
func (s *story) shaped() Policy {
	shaping, err := policy.NewShaping(s.limits)
	if err != nil {
		s.t.Fatal(err)
	}
	s.policy.Shaping = shaping
	if s.policy.Classes == nil {
		s.policy.Classes = classes(s.t)
	}
	return s.policy
}

// submit plays a client that hands in one message, at the Session's side of the server.
func (s *story) submit(settings, input []string) string {
	intake := &Intake{Relay: s.relay, Strangers: true}
	info := &smtp.ConnInfo{
		Listener: "mx", SessionID: "s1", HELO: "client.test", ESMTP: true,
		RemoteAddr: netip.MustParseAddrPort("127.0.0.1:1234"),
	}
	for _, setting := range settings {
		if client, ok := strings.CutPrefix(setting, "client="); ok {
			info.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(client), 1234)
		}
	}
	session, err := intake.NewSession(info)
	if err != nil {
		return fmt.Sprintf("connection refused: %v\n", err)
	}
	defer func() {
		if err := session.Logout(); err != nil {
			s.t.Error(err)
		}
	}()
	var from string
	var to []string
	mail, rcpt := &gosmtp.MailOptions{}, &gosmtp.RcptOptions{}
	for _, setting := range settings {
		k, v, _ := strings.Cut(setting, "=")
		switch k {
		case "from":
			from = v
		case "to":
			to = strings.Split(v, ",")
		case "ret":
			mail.Return = gosmtp.DSNReturn(strings.ToUpper(v))
		case "class":
			for c := range message.NumClasses {
				if c.String() == v {
					intake.Class = c
				}
			}
		case "tenant":
			intake.Tenant = v
		case "client": // see above
		case "size":
			fmt.Sscan(v, &mail.Size)
		case "envid":
			mail.EnvelopeID = v
		case "utf8":
			mail.UTF8 = true
		case "requiretls":
			mail.RequireTLS = true
		case "notify":
			for _, x := range strings.Split(v, ",") {
				rcpt.Notify = append(rcpt.Notify, gosmtp.DSNNotify(strings.ToUpper(x)))
			}
		case "orcpt":
			rcpt.OriginalRecipientType, rcpt.OriginalRecipient = gosmtp.DSNAddressTypeRFC822, v
		default:
			s.t.Fatalf("no such setting: %s", k)
		}
	}
	var out strings.Builder
	if err := session.Mail(from, mail); err != nil {
		return fmt.Sprintf("MAIL refused: %v\n", err)
	}
	taken := 0
	for _, r := range to {
		if err := session.Rcpt(r, rcpt); err != nil {
			fmt.Fprintf(&out, "RCPT %s refused: %v\n", r, err)
			continue
		}
		taken++
	}
	if taken == 0 {
		return out.String()
	}
	if len(input) == 0 {
		input = []string{"Subject: test", "", "hello"}
	}
	err = session.Data(smtp.NewBody([]byte(strings.Join(input, "\r\n") + "\r\n")))
	var reply *gosmtp.SMTPError
	if !errors.As(err, &reply) || reply.Code != 250 {
		fmt.Fprintf(&out, "DATA refused: %v\n", err)
	}
	return out.String()
}

// seen returns the events since the last call, once nothing moves any more, and how much is queued.
func (s *story) seen() string {
	time.Sleep(20 * time.Millisecond) // the queue gathers settlements for a moment
	synctest.Wait()
	var out strings.Builder
	events := s.sub.drain()
	// What happens in the same instant at several domains has no order of its own.
	sort.SliceStable(events, func(i, j int) bool {
		a, b := &events[i], &events[j]
		if !a.Timestamp.Equal(b.Timestamp) || a.Type == EventAccepted || b.Type == EventAccepted {
			return a.Timestamp.Before(b.Timestamp) || (a.Timestamp.Equal(b.Timestamp) && a.Type == EventAccepted && b.Type != EventAccepted)
		}
		if a.Recipient != b.Recipient {
			return a.Recipient < b.Recipient
		}
		return a.ID < b.ID // two connections to one host
	})
	for _, e := range events {
		s.print(&out, &e)
	}
	counts, err := s.queue.Count(context.Background(), queue.Filter{})
	if err != nil {
		s.t.Fatal(err)
	}
	var queued int64
	for _, n := range counts.Recipients {
		queued += n
	}
	if queued > 0 {
		fmt.Fprintf(&out, "queued    %d\n", queued)
	}
	return out.String()
}

func (s *story) number(id message.ID) int {
	if s.numbers[id] == 0 {
		s.numbers[id] = len(s.numbers) + 1
	}
	return s.numbers[id]
}

func (s *story) print(out *strings.Builder, e *Event) {
	fmt.Fprintf(out, "%-9s", e.Type)
	if e.ID != 0 {
		fmt.Fprintf(out, " %d", s.number(e.ID))
	}
	switch e.Type {
	case EventAccepted:
		fmt.Fprintf(out, " <%s> for %d", e.Sender, e.Recipients)
		if e.Checks != "" {
			fmt.Fprintf(out, "; %s", e.Checks)
		}
		out.WriteString("\n")
		return
	case EventReport:
		fmt.Fprintf(out, " about %d to %s\n", s.number(e.Relates), e.Recipient)
		return
	}
	fmt.Fprintf(out, " %s", e.Recipient)
	if e.PeerName != "" {
		fmt.Fprintf(out, " via %s", e.PeerName)
	}
	fmt.Fprintf(out, ": %s", strings.ReplaceAll(e.Status.String(), "\n", "/"))
	if !e.NextDue.IsZero() {
		fmt.Fprintf(out, ", next in %v", e.NextDue.Sub(e.Timestamp))
	}
	out.WriteString("\n")
}

// received tells what a remote took so far.
func (s *story) received(host string, content bool) string {
	s.mu.Lock()
	remote := s.remotes[host]
	s.mu.Unlock()
	var out strings.Builder
	for _, m := range remote.Messages() {
		var rcpts []string
		for _, r := range m.Recipients {
			rcpts = append(rcpts, strings.TrimSpace(r.Address+" "+r.Params))
		}
		fmt.Fprintf(&out, "connection %d: <%s>%s -> %s\n", m.Conn, m.Sender, prefixed(m.Params), strings.Join(rcpts, ", "))
		if content {
			for _, l := range strings.Split(strings.TrimSuffix(string(bytes.ReplaceAll(m.Content, []byte("\r\n"), []byte("\n"))), "\n"), "\n") {
				for id, n := range s.numbers {
					l = strings.ReplaceAll(l, id.String(), fmt.Sprintf("ID%d", n))
				}
				out.WriteString("| " + strings.TrimRight(l, " ") + "\n")
			}
		}
	}
	return out.String()
}

func prefixed(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}

// Route makes the story's zone a Router.
func (s *story) Route(ctx context.Context, domain string) (resolver.Route, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	route := resolver.Route{Domain: domain, Expires: time.Now().Add(time.Hour)}
	var names []string
	for _, record := range s.zone[domain] {
		f := strings.Fields(record)
		switch f[0] {
		case "SERVFAIL":
			return route, &resolver.Failure{Status: message.Status{Code: 451, Enhanced: message.EnhancedCode{4, 4, 3}, Text: "name server failure"}}
		case "NULLMX":
			return route, &resolver.Failure{Status: message.Status{Code: 556, Enhanced: message.EnhancedCode{5, 1, 10}, Text: domain + " takes no mail"}}
		case "SOCKET":
			return resolver.Route{Domain: domain, Site: "lmtp:unix:" + f[1], Kind: resolver.KindStatic, LMTP: true, Hosts: []resolver.Host{{
				Name: f[1], Socket: f[1], Addrs: []netip.AddrPort{{}},
			}}}, nil
		case "LMTP":
			addr := strings.TrimPrefix(s.zone[f[1]][0], "A ")
			return resolver.Route{Domain: domain, Site: "lmtp:" + f[1] + ":24", Kind: resolver.KindStatic, LMTP: true, Hosts: []resolver.Host{{
				Name: f[1], Addrs: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(addr), 24)},
			}}}, nil
		case "MX":
			host := resolver.Host{Name: f[2]}
			fmt.Sscan(f[1], &host.Preference)
			for _, a := range s.zone[f[2]] {
				if addr, ok := strings.CutPrefix(a, "A "); ok {
					host.Addrs = append(host.Addrs, netip.AddrPortFrom(netip.MustParseAddr(addr), 25))
				}
			}
			route.Hosts = append(route.Hosts, host)
			names = append(names, host.Name)
		}
	}
	if len(route.Hosts) == 0 {
		return route, &resolver.Failure{Status: message.Status{Code: 550, Enhanced: message.EnhancedCode{5, 1, 2}, Text: "no such domain " + domain}}
	}
	sort.SliceStable(route.Hosts, func(i, j int) bool { return route.Hosts[i].Preference < route.Hosts[j].Preference })
	sort.Strings(names)
	route.Site = strings.Join(names, "|")
	return route, nil
}

// dial connects to the remote that has the address.
func (s *story) dial(_ context.Context, _ policy.Source, addr netip.AddrPort) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for host, records := range s.zone {
		for _, record := range records {
			if record == "A "+addr.Addr().String() && s.remotes[host] != nil {
				return s.remotes[host].Dial(), nil
			}
		}
	}
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
}

// dialSocket connects to the remote that has the path for a name.
func (s *story) dialSocket(_ context.Context, path string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.remotes[path] == nil {
		return nil, &net.OpError{Op: "dial", Net: "unix", Err: errors.New("no such file or directory")}
	}
	return s.remotes[path].Dial(), nil
}

// storySink keeps events until they are looked at.
type storySink struct {
	mu     sync.Mutex
	events []Event
}

func (k *storySink) follow(sub *Subscription) {
	for {
		events, _, err := sub.Next(context.Background())
		if err != nil {
			return
		}
		k.mu.Lock()
		k.events = append(k.events, events...)
		k.mu.Unlock()
	}
}

func (k *storySink) drain() []Event {
	k.mu.Lock()
	defer k.mu.Unlock()
	taken := k.events
	k.events = nil
	return taken
}
