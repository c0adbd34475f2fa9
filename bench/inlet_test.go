package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-mta/posthaste/bench/world"
	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/greylist"
	"github.com/posthaste-mta/posthaste/policy/inbound"
	"github.com/posthaste-mta/posthaste/policy/store"
	"github.com/posthaste-mta/posthaste/policy/suppress"
	"github.com/posthaste-mta/posthaste/resolver"
)

// aStrangersLoad is a small one.
func aStrangersLoad() Load {
	l := strangersLoad()
	l.Messages, l.Size, l.Senders, l.Clients = 20, 1500, 18, 20
	return l
}

// TestStrangersArePerfect: every check passes on every message, so that what is measured are the checks and not what
// follows from a failure.
func TestStrangersArePerfect(t *testing.T) {
	l := aStrangersLoad()
	s, err := newSenders(t.Context(), l, func(int64) {})
	if err != nil {
		t.Fatal(err)
	}
	w, err := world.Start(t.Context(), world.Config{
		CatchAll: &world.Site{Hosts: []string{"mx.bench.test"}}, Records: s.records(), Zones: s.zones(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	r, err := resolver.New(resolver.Config{Servers: []string{w.DNSAddr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c, err := inbound.New(inbound.Config{Resolver: r, ID: "relay.bench.test", Lists: []inbound.List{{Zone: listZoneOne}, {Zone: listZoneTwo}}})
	if err != nil {
		t.Fatal(err)
	}
	maker := newLettersOf(l.Size, l.Senders)
	for n := range uint64(l.Messages) {
		content := append(bytes.Clone(s.above(n)), maker.make(n)...)
		in := inbound.Session{
			Addr: netip.MustParseAddr(clientAddr(int(n) % l.Clients)), HELO: "load." + SenderDomain,
			MailFrom: string(appendSender(nil, n, l.Senders)),
		}
		found := c.Check(t.Context(), in, content)
		got := fmt.Sprint(found.SPF.Value, " ", found.DKIM.Value(), " ", found.DMARC.Value, " ", found.Client.Reverse.Value)
		if got != "pass pass pass pass" || found.DKIM.Signatures[0].Algorithm != "rsa-sha256" {
			t.Errorf("message %d: %s %+v", n, got, found)
		}
		for _, list := range found.Client.Lists {
			if list.Listed() || list.Err != nil {
				t.Errorf("%+v", list)
			}
		}
		if d := c.Decide(found); d.Action != inbound.ActionNone {
			t.Errorf("message %d: %v", n, d)
		}
		if id, whole := readLetter(content, castagnoli()); id != n || !whole {
			t.Errorf("message %d is no letter", n)
		}
	}
}

// TestStockIsKnown: each message of the load passes the greylist from each client, and the list is there.
func TestStockIsKnown(t *testing.T) {
	dir, l := t.TempDir(), aStrangersLoad()
	stock := Stock{Triplets: 100, Suppressed: 2500}
	if err := fillStore(t.Context(), dir, stock, l, (&Options{}).bar); err != nil {
		t.Fatal(err)
	}
	kept, err := store.Open(store.Options{Dir: dir + "/policy"})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	for table, want := range map[store.Table]int{store.Triplets: stock.Triplets, store.Suppressions: stock.Suppressed} {
		if n, err := kept.Count(t.Context(), table); err != nil || n != int64(want) {
			t.Errorf("%s: %d, want %d (%v)", table, n, want, err)
		}
	}
	g, err := greylist.Open(t.Context(), greylist.Options{Store: kept, Rules: greylist.Rules{KnownAfter: -1}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for n := range uint64(l.Messages) {
		to, err := message.ParseAddress(string(appendRecipient(nil, n, 0, l.domain(n, 0))), false)
		if err != nil {
			t.Fatal(err)
		}
		d, err := g.Check(t.Context(), greylist.Attempt{
			Client: netip.MustParseAddr(clientAddr(int(n) % l.Clients)), Sender: string(appendSender(nil, n, l.Senders)), Recipient: to,
		})
		if err != nil || d.Reason != greylist.KnownTriplet {
			t.Errorf("message %d: %v %v", n, d.Reason, err)
		}
	}
	list, err := suppress.Open(t.Context(), suppress.Options{Store: kept})
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	for address, want := range map[string]bool{"gone2499@d499.bench.test": true, "r0.7@d0.bench.test": false} {
		to, err := message.ParseAddress(address, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, found, err := list.Lookup("", to); found != want || err != nil {
			t.Errorf("%s on the list: %v %v", address, found, err)
		}
	}
}

// TestHello: the balancer's line comes before the greeting, and the login after EHLO.
func TestHello(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	heard := make(chan []string, 1)
	go func() {
		var lines []string
		defer func() { heard <- lines }()
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		r := bufio.NewReader(conn)
		for _, reply := range []string{"220 here", "250 here", "235 welcome", "221 bye"} {
			line, _ := r.ReadString('\n')
			lines = append(lines, strings.TrimSpace(line))
			fmt.Fprintf(conn, "%s\r\n", reply)
		}
	}()
	l := NewLoader(Load{Clients: 12, Logins: 3}, listener.Addr().String(), nil)
	c, err := dialClient(t.Context(), l.Addr, l.hello(23))
	if err != nil {
		t.Fatal(err)
	}
	c.quit()
	want := []string{"PROXY TCP4 198.18.1.11 192.0.2.1 20023 25", "EHLO load.sender.bench.test",
		"AUTH PLAIN AGFwcDAwMDAyAGEgc2VjcmV0IG9mIHRoZSBiZW5jaA==", "QUIT"}
	if diff := cmp.Diff(want, <-heard); diff != "" {
		t.Error(diff)
	}
}

// TestInletsAreForThoseWhoHaveThem: other relays are not measured where they would not be asked the same.
func TestInletsAreForThoseWhoHaveThem(t *testing.T) {
	rep, err := Run(t.Context(), Options{Only: true, Peers: []string{"straight"}, Scenarios: []string{"checked-off"}, Dir: t.TempDir()})
	if err != nil || len(rep.Results) > 0 {
		t.Errorf("%+v %v", rep.Results, err)
	}
	if err := rep.WriteHTML(io.Discard); err != nil {
		t.Error(err)
	}
}

func TestContrasts(t *testing.T) {
	scenarios, err := FindScenarios([]string{"checked-off", "checked", "login"})
	if err != nil {
		t.Fatal(err)
	}
	run := func(scenario string, rate, cpu float64) Result {
		return Result{Scenario: scenario, Relay: "posthaste", AcceptedPerSecond: rate, CPUPerThousand: cpu, PeakRSS: int64(rate) << 20}
	}
	rep := &Report{Scenarios: scenarios, Results: []Result{
		run("checked-off", 100, 0.1), run("checked-off", 104, 0.1), run("checked", 80, 0.2), run("checked", 73, 0.2), run("login", 9, 1),
	}}
	var lines []string
	for _, c := range rep.Contrasts() {
		lines = append(lines, c.Text())
	}
	want := []string{"accepts 75 % of what checked-off does (76 of 102 a second), CPU 0.200 s per 1,000 (0.100), RSS 76MiB (102MiB)"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}
