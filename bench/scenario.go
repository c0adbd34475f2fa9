package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/bench/world"
)

// Scenario is one question put to a relay.
type Scenario struct {
	Name  string `json:"name"`
	About string `json:"about"`
	Load  Load   `json:"load"`
	// Sites is how many receiving systems share the load's domains; 0: one, which takes all mail as a fixed next hop.
	Sites int `json:"sites,omitempty"`
	// Manner is how the sites behave.
	Manner world.Manner `json:"-"`
	// Mixed gives some sites bad manners: slow, deferring, flaky, refusing.
	Mixed bool `json:"mixed,omitempty"`
	// Connections is how many the relay may open to one site.
	Connections int `json:"connections"`
	// Retry is the relay's wait between two attempts.
	Retry time.Duration `json:"retry_ns"`
	// NoChunking keeps the relay from using BDAT.
	NoChunking bool `json:"no_chunking,omitempty"`
	// Backlog runs with the next hop down, then restarts the relay with the next hop up.
	Backlog bool `json:"backlog,omitempty"`
	// Inlet is where the load comes in.
	Inlet Inlet `json:"inlet,omitzero"`
	// Sign has the relay sign with keys of these kinds: rsa, rsa3, ed25519.
	Sign []string `json:"sign,omitempty"`
	// BigMailbox times what mail programs ask of a large mailbox; nothing is sent.
	BigMailbox bool `json:"big_mailbox,omitempty"`
	// BusyMailboxes has mail come to mailboxes, and fetched from there, beside the load.
	BusyMailboxes bool `json:"busy_mailboxes,omitempty"`
	// Over is the scenario that is like this one but for one thing: the report says what that costs.
	Over string `json:"over,omitempty"`
	// Disk compares the 250 with an append and fdatasync on the same disk.
	Disk bool `json:"disk,omitempty"`
}

const (
	kib           = 1 << 10
	roundTrip     = 50 * time.Millisecond
	usualSessions = 50
	usualConns    = 20
	usualRetry    = time.Second
)

// Scenarios are all that there are, in the order in which they run. The message counts suit a
// machine of two cores; Options.Messages replaces them.
func Scenarios() []Scenario {
	list := []Scenario{
		{Name: "small", About: "4 KiB, 50 sessions, reused connections, one next hop",
			Load: Load{Messages: 20_000, Sessions: usualSessions, Size: 4 * kib}},
		{Name: "connections", About: "4 KiB, a connection for each message",
			Load: Load{Messages: 10_000, Sessions: usualSessions, Size: 4 * kib, Reuse: 1}},
		{Name: "spread100", About: "4 KiB over 100 domains with a next hop each",
			Load: Load{Messages: 20_000, Sessions: usualSessions, Size: 4 * kib, Domains: 100}, Sites: 100, Connections: 5},
		{Name: "spread", About: "4 KiB over 10,000 domains of 1,000 sites, six messages a domain",
			Load: Load{Messages: 60_000, Sessions: usualSessions, Size: 4 * kib, Domains: 10_000}, Sites: 1000, Connections: 5},
		{Name: "recipients", About: "4 KiB to 50 recipients each, over 100 domains",
			Load: Load{Messages: 2000, Sessions: usualSessions, Size: 4 * kib, Recipients: 50, Domains: 100}, Sites: 100, Connections: 5},
		{Name: "large100k", About: "100 KiB",
			Load: Load{Messages: 4000, Sessions: 20, Size: 100 * kib}},
		{Name: "large1m", About: "1 MiB",
			Load: Load{Messages: 500, Sessions: 10, Size: kib * kib}},
		{Name: "roundtrip", About: "50 ms round trip, one connection out, PIPELINING",
			Load:   Load{Messages: 400, Sessions: 10, Size: 4 * kib},
			Manner: world.Manner{Delay: roundTrip, NoChunking: true}, Connections: 1},
		{Name: "roundtrip-chunking", About: "50 ms round trip, one connection out, PIPELINING and CHUNKING",
			Load:   Load{Messages: 1000, Sessions: 10, Size: 4 * kib},
			Manner: world.Manner{Delay: roundTrip}, Connections: 1},
		{Name: "deferrals", About: "4 KiB, a fifth of all attempts answered 451, retried after a second",
			Load: Load{Messages: 20_000, Sessions: usualSessions, Size: 4 * kib}, Manner: world.Manner{TempFail: 0.2}},
		{Name: "mixed", About: "4 KiB over 100 sites, of which 10 are slow, 10 defer, 5 hang up and 5 refuse",
			Load: Load{Messages: 20_000, Sessions: usualSessions, Size: 4 * kib, Domains: 100}, Sites: 100, Connections: 5, Mixed: true},
		{Name: "open", About: "4 KiB, open loop at 500 messages a second",
			Load: Load{Messages: 5000, Sessions: 200, Size: 4 * kib, Rate: 500}},
		{Name: "sequential", About: "4 KiB, one client that waits for each 250",
			Load: Load{Messages: 2000, Sessions: 1, Size: 4 * kib}, Disk: true},
		{Name: "checked-off", About: "4 KiB from 100 domains for one of ours, ten messages a connection, nothing checked",
			Load: strangersLoad(), Inlet: Inlet{Strangers: true}},
		{Name: "checked", About: "the same with SPF, DKIM, DMARC, lists, reverse names, greylisting, limits and suppression, all well stocked",
			Load: strangersLoad(), Inlet: Inlet{Strangers: true, Checks: true, Stock: usualStock()}, Over: "checked-off"},
		{Name: "login-off", About: "4 KiB from programs of ours, ten messages a connection, nobody logs in",
			Load: Load{Messages: 20_000, Sessions: usualSessions, Size: 4 * kib, Reuse: 10}, Inlet: Inlet{Submission: true}},
		{Name: "login", About: "the same with a login on each connection, under limits, 10,000 names known",
			Load:  Load{Messages: 20_000, Sessions: usualSessions, Size: 4 * kib, Reuse: 10, Logins: usualSessions},
			Inlet: Inlet{Submission: true, Checks: true, Stock: Stock{Credentials: usualStock().Credentials}}, Over: "login-off"},
		{Name: "mailbox", About: "4 KiB for 100 mailboxes here, whose programs wait and are told of each",
			Load: Load{Messages: 20_000, Sessions: usualSessions, Size: 4 * kib, Domains: 100, Tagged: true}, Inlet: Inlet{Mailboxes: Mailboxes{Users: 100}}},
		{Name: "mailbox-big", About: "100,000 messages in one mailbox: what mail programs ask; then 1,000 that ask nothing",
			Load: Load{Size: 4 * kib}, Inlet: Inlet{Mailboxes: Mailboxes{Users: 101, Big: 100_000, Each: 100}}, BigMailbox: true},
		{Name: "mailbox-busy", About: "as small, while 50 messages a second come for 100 mailboxes, and are fetched at once", Over: "small",
			Load:  Load{Messages: 20_000, Sessions: usualSessions, Size: 4 * kib},
			Inlet: Inlet{Mailboxes: Mailboxes{Users: 100, First: 1}}, BusyMailboxes: true},
		signedScenario("signed", "RSA of 2,048 bits", "rsa"),
		signedScenario("signed-rsa3", "RSA of 2,048 bits and three primes", "rsa3"),
		signedScenario("signed-ed25519", "Ed25519", "ed25519"),
		signedScenario("signed-both", "RSA of 2,048 bits and Ed25519", "rsa", "ed25519"),
		{Name: "backlog", About: "4 KiB, the next hop down; then a restart with it up",
			Load: Load{Messages: 100_000, Sessions: usualSessions, Size: 4 * kib}, Retry: 5 * time.Second, Backlog: true},
	}
	for i := range list {
		list[i].setDefaults()
	}
	return list
}

// strangersLoad is mail from other servers.
func strangersLoad() Load {
	return Load{Messages: 20_000, Sessions: usualSessions, Size: 4 * kib, Reuse: 10, Senders: 100, Clients: usualSessions, Signed: true}
}

// signedScenario is small with signatures, and so with fewer messages.
func signedScenario(name, about string, kinds ...string) Scenario {
	return Scenario{Name: name, About: "4 KiB as in small, signed with " + about, Sign: kinds, Over: "small",
		Load: Load{Messages: 10_000, Sessions: usualSessions, Size: 4 * kib}}
}

// mixedManner is the manner of the i-th site of a mixed scenario; 7 of 10 have the usual one.
func mixedManner(i int, usual world.Manner) world.Manner {
	switch {
	case i%10 == 1:
		return world.Manner{Delay: 4 * roundTrip}
	case i%10 == 4:
		return world.Manner{TempFail: 0.5}
	case i%20 == 7:
		return world.Manner{Drop: 0.2}
	case i%20 == 17:
		return world.Manner{Reject: 1}
	}
	return usual
}

func (s *Scenario) setDefaults() {
	s.Load.Recipients = max(1, s.Load.Recipients)
	s.Load.Domains = max(1, s.Load.Domains)
	if s.Connections == 0 {
		s.Connections = usualConns
	}
	if s.Retry == 0 {
		s.Retry = usualRetry
	}
}

// FindScenarios returns the named ones in the order of Scenarios; none named means all but backlog, which takes
// its own time and disk.
func FindScenarios(names []string) ([]Scenario, error) {
	all := Scenarios()
	if len(names) == 0 {
		return slices.DeleteFunc(all, func(s Scenario) bool { return s.Backlog }), nil
	}
	var known []string
	for _, s := range all {
		known = append(known, s.Name)
	}
	for _, n := range names {
		if n != "all" && !slices.Contains(known, n) {
			return nil, fmt.Errorf("no scenario %q; there are: %s", n, strings.Join(known, ", "))
		}
	}
	if slices.Contains(names, "all") {
		return all, nil
	}
	return slices.DeleteFunc(all, func(s Scenario) bool { return !slices.Contains(names, s.Name) }), nil
}
